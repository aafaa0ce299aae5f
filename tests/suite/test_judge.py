from __future__ import annotations

import pytest

from bustedwall.suite.judge import Seen, verdict
from bustedwall.suite.model import Scenario
from bustedwall.suite.plan import Applied, Case
from bustedwall.suite.result import Happened, Phase, PhaseName, Verdict
from bustedwall.suite.stage import Ending, Known
from bustedwall.suite.written import Written

BROKE = (Phase(PhaseName.BREAK, 0.0, 9.0),)


def case(*, rules: tuple[str, ...] = ("now",), **what: object) -> Case:
    scenario = Scenario.model_validate({"name": "one", "run": "x"} | what)
    return Case("one", {}, scenario, (Applied("cut", {}, None, rules),), 1)


def fact(at: float, name: str, **told: object) -> Happened:
    return Happened(at, "db", 1, name, told)


EFFECTIVE = (
    fact(1, "flow-accepted"),
    fact(1, "flow-opened"),
    fact(2, "rule-fired", rule="cut/now"),
    fact(2, "fault-armed", rule="cut/now", to_prove=False),
)


def seen(
    *facts: Happened,
    text: str = "",
    ending: Ending = Ending.PROGRAM,
    exit: int | None = 0,  # noqa: A002 (as Seen has it)
    **more: object,
) -> Seen:
    written = Written(("ok", "Traceback"))
    written.add(text)
    known = Known(list(facts), written, 9.0)
    rest = {"unmet": "", "seconds": 1.0, "phases": BROKE, "recovered": None, "twice": 0, "open_at_end": 0} | more
    return Seen(known, ending, exit=exit, **rest)


def why(one: Case, what: Seen) -> tuple[str, str]:
    said, sentences = verdict(one, what)
    return said.value, "; ".join(sentences)


def test_what_is_as_expected_and_met_its_fault_has_passed() -> None:
    assert why(case(), seen(*EFFECTIVE)) == ("PASSED", "cut fired once")


def test_a_fault_that_never_came_is_vacuous_unless_it_is_said_that_it_need_not() -> None:
    assert why(case(), seen()) == ("VACUOUS", "cut never fired: the program has not met it")
    assert verdict(case(expect={"fired": False}), seen())[0] is Verdict.PASSED
    for none in (0, {"at_least": 0}, {"at_most": 0}, {"at_least": 0, "at_most": 3}):
        assert verdict(case(expect={"fired": {"cut": none}}), seen())[0] is Verdict.PASSED, none
        assert verdict(case(expect={"fired": {"cut/now": none}}), seen())[0] is Verdict.PASSED, "it has no other rule"
    assert verdict(case(expect={"fired": {"cut": {"at_most": 3}}}), seen())[0] is Verdict.VACUOUS
    assert verdict(case(expect={"fired": {"cut": {"at_most": 3}}}), seen(*EFFECTIVE))[0] is Verdict.PASSED


def test_a_policy_of_which_one_rule_is_not_to_fire_still_has_to_by_its_others() -> None:
    one = case(rules=("now", "late"), expect={"fired": {"cut/late": 0}})
    assert why(one, seen()) == ("VACUOUS", "cut never fired: the program has not met it")
    assert verdict(one, seen(*EFFECTIVE))[0] is Verdict.PASSED
    none = case(rules=("now", "late"), expect={"fired": {"cut/late": 0, "cut/now": {"at_least": 0}}})
    assert verdict(none, seen())[0] is Verdict.PASSED


def test_a_fault_that_fired_and_did_nothing_is_vacuous() -> None:
    assert why(case(), seen(fact(1, "rule-fired", rule="cut/now"))) == (
        "VACUOUS",
        "cut fired once, no fault took hold: the program has not met it",
    )


def test_a_program_that_ends_before_anything_was_broken_is_vacuous() -> None:
    warm = (Phase(PhaseName.WARM, 0.0, 1.0),)
    assert why(case(), seen(phases=warm)) == ("VACUOUS", "the program had ended before anything was broken")


@pytest.mark.parametrize(
    ("expect", "what", "sentence"),
    [
        ({}, {"exit": 3, "text": "a\nboom\n"}, "it ended with exit 3, expected 0; its last line: boom"),
        ({}, {"exit": -11}, "it ended with signal 11, expected 0"),
        ({"exit": "nonzero"}, {"exit": 0}, "it ended with exit 0, expected another status than 0"),
        ({"exit": "hangs"}, {"exit": 0}, "it ended with exit 0, expected it to hang"),
        ({}, {"ending": Ending.LATE, "exit": None}, "it had not ended after 30 s"),
        ({"output": {"has": ["ok"]}}, {"text": "no"}, "it did not write 'ok'; its last line: no"),
        ({"output": {"lacks": ["Traceback"]}}, {"text": "Traceback"}, "it wrote 'Traceback'"),
        ({"duration": {"at_most": "500ms"}}, {}, "it ran for 1.00 s, expected at least 0 s and at most 0.5 s"),
        ({"fired": {"cut": 2}}, {}, "cut fired once, expected 2"),
        ({"flows": {"at_least": 2}}, {}, "it opened 1 connection, expected at least 2"),
        ({"turns_twice": 0}, {"twice": 1}, "the server has seen 1 turn twice, expected 0"),
        ({"open_at_end": 0}, {"open_at_end": 2}, "2 connections still open at the end, expected 0"),
        (
            {"recovered": {"within": "1s"}},
            {},
            "nothing was healed, so it could not recover: the scenario has no heal, or its break was not over",
        ),
    ],
)
def test_what_is_not_as_expected_has_failed_with_a_sentence(expect: object, what: object, sentence: str) -> None:
    assert why(case(expect=expect), seen(*EFFECTIVE, **what)) == ("FAILED", sentence)


def test_hanging_and_being_stopped_can_be_right() -> None:
    late = seen(*EFFECTIVE, ending=Ending.LATE, exit=None)
    assert verdict(case(expect={"exit": "hangs"}), late)[0] is Verdict.PASSED
    stopped = seen(*EFFECTIVE, ending=Ending.PHASES, exit=None)
    assert verdict(case(), stopped)[0] is Verdict.PASSED
    assert verdict(case(expect={"exit": "hangs"}), stopped)[0] is Verdict.PASSED, (
        "it still ran when its parts were over"
    )
    ended = seen(*EFFECTIVE, ending=Ending.PHASES, exit=0)
    assert why(case(expect={"exit": "hangs"}), ended) == ("FAILED", "it ended with exit 0, expected it to hang")


def test_a_failure_tells_of_the_fault_that_never_came_too() -> None:
    assert why(case(), seen(exit=1)) == (
        "FAILED",
        "it ended with exit 1, expected 0; cut never fired: the program has not met it",
    )


def test_a_server_that_was_never_reached_is_the_environments_fault() -> None:
    refused = fact(1, "address-failed", address="127.0.0.1:9", error="ECONNREFUSED")
    assert why(case(), seen(refused, exit=1)) == (
        "BROKEN",
        "the server was never reached: 127.0.0.1:9: ECONNREFUSED",
    )
    assert verdict(case(), seen(refused, *EFFECTIVE))[0] is Verdict.PASSED


def test_of_several_servers_each_has_to_be_reached_that_was_asked_for() -> None:
    dead = [Happened(1, "cache", 1, "flow-accepted", {})]
    dead += [
        Happened(at, "cache", 1, "address-failed", {"address": f"[::1]:{at}", "error": "ECONNREFUSED"}) for at in (1, 2)
    ]
    assert why(case(expect={"exit": "nonzero"}), seen(*EFFECTIVE, *dead, exit=1)) == (
        "BROKEN",
        "the server was never reached: [::1]:1: ECONNREFUSED",
    )
    reached = Happened(3, "cache", 1, "flow-opened", {})
    assert verdict(case(), seen(*EFFECTIVE, *dead, reached))[0] is Verdict.PASSED, "at its second address"
    cut = Happened(1, "cache", 2, "rule-fired", {"rule": "cut/now"})
    assert verdict(case(), seen(*EFFECTIVE, dead[0], cut))[0] is Verdict.PASSED, "it was our policy that ended it"


def test_a_warm_part_that_never_ends_is_the_environments_fault() -> None:
    warm = (Phase(PhaseName.WARM, 0.0, 1.0),)
    late = seen(phases=warm, ending=Ending.PHASE_LATE, unmet="it opened 0 connections, and not 1, within 1 s")
    assert why(case(), late)[0] == "BROKEN"


def test_recovery_is_the_first_byte_of_the_server_after_the_healing() -> None:
    phases = (Phase(PhaseName.BREAK, 0.0, 3.0), Phase(PhaseName.HEAL, 3.0, 9.0))
    one = case(expect={"recovered": {"within": "1s"}})
    assert why(one, seen(*EFFECTIVE, phases=phases)) == (
        "FAILED",
        "it has not recovered: no byte of the server came in the 6.00 s since it was healed",
    )
    assert verdict(one, seen(*EFFECTIVE, phases=phases, recovered=3.9))[0] is Verdict.PASSED
    assert why(one, seen(*EFFECTIVE, phases=phases, recovered=5.0)) == (
        "FAILED",
        "it recovered 2.00 s after it was healed, expected 1 s",
    )
