"""Playbooks: what is known, and what is then to be done."""

from __future__ import annotations

from bustedwall.suite.phases import Phases
from bustedwall.suite.result import Happened, PhaseName
from bustedwall.suite.stage import Act, Ending, Known, Stage
from bustedwall.suite.written import Written


def stage(within: float = 10.0, **phases: object) -> Stage:
    return Stage(Phases.model_validate(phases), within)


def fact(name: str, **told: object) -> Happened:
    return Happened(0.0, "db", 1, name, told)


def at(seconds: float, *facts: Happened, text: str = "") -> Known:
    written = Written(("warm", "ready", "x"))
    written.add(text)
    return Known(list(facts), written, seconds)


def parts(one: Stage) -> list[tuple[str, float, float]]:
    return [(phase.name.value, phase.began, phase.ended) for phase in one.over]


def test_without_phases_all_is_broken_from_the_beginning_to_the_end_of_the_program() -> None:
    one = stage()
    assert one.begin() == [Act.BREAK]
    assert one.look(at(5)) == []
    assert one.program_ended(at(6)) == [Act.STOP, Act.HEAL]
    assert (one.ending, parts(one)) == (Ending.PROGRAM, [("break", 0.0, 6)])


def test_times_lead_from_warm_to_break_to_heal_and_then_the_program_is_stopped() -> None:
    one = stage(warm="1s", **{"break": "2s"}, heal="3s")
    assert one.begin() == []
    assert one.look(at(0.9)) == []
    assert one.look(at(1.0)) == [Act.BREAK]
    assert one.look(at(3.0)) == [Act.HEAL]
    assert one.look(at(5.9)) == []
    assert one.look(at(6.0)) == [Act.STOP]
    assert (one.ending, parts(one)) == (Ending.PHASES, [("warm", 0.0, 1.0), ("break", 1.0, 3.0), ("heal", 3.0, 6.0)])


def test_a_part_waits_for_what_it_says_and_counts_only_what_came_in_it() -> None:
    one = stage(warm={"until": {"open": 1}}, **{"break": {"until": {"fired": "lb-idle", "times": 2}}})
    one.begin()
    before = [fact("rule-fired", rule="lb-idle/cut"), fact("flow-accepted")]
    assert one.look(at(1, *before)) == [Act.BREAK]
    fired = fact("rule-fired", rule="lb-idle/cut")
    assert one.look(at(2, *before, fired)) == []
    assert one.look(at(3, *before, fired, fired)) == [Act.STOP, Act.HEAL]
    assert one.ending is Ending.PHASES


def test_signals_output_facts_and_connections_are_waited_for() -> None:
    for until, known in (
        ({"signal": "go"}, at(1, fact("signal-fired", signal="go", rules=0))),
        ({"output": "warm"}, at(1, text="it is warm now")),
        ({"fact": "peer-lost"}, at(1, fact("peer-lost"))),
        ({"flows": 2}, at(1, fact("flow-accepted"), fact("flow-closed"), fact("flow-accepted"))),
    ):
        one = stage(warm={"until": until})
        one.begin()
        assert one.look(at(0.5)) == []
        assert one.look(known) == [Act.BREAK], until


def test_signals_are_fired_when_their_part_begins() -> None:
    one = stage(**{"break": {"for": "1s", "fire": ["go-down"]}})
    assert one.begin() == [Act.BREAK, Act.FIRE]
    assert one.signals == ["go-down"]


def test_a_part_that_is_late_ends_the_case_and_says_what_was_missing() -> None:
    one = stage(warm={"until": {"output": "ready"}, "within": "2s"})
    one.begin()
    assert one.look(at(2.0)) == [Act.STOP, Act.HEAL]
    assert (one.ending, one.unmet) == (Ending.PHASE_LATE, "the program did not write 'ready' within 2 s")


def test_a_program_that_does_not_end_is_late() -> None:
    one = stage(within=4.0)
    one.begin()
    assert one.look(at(3.9)) == []
    assert one.look(at(4.0)) == [Act.STOP, Act.HEAL]
    assert one.ending is Ending.LATE


def test_a_program_that_ends_while_it_is_warm_has_met_nothing() -> None:
    one = stage(warm="5s")
    one.begin()
    assert one.program_ended(at(1)) == [Act.STOP, Act.HEAL]
    assert [phase.name for phase in one.over] == [PhaseName.WARM]


def test_what_came_with_the_programs_end_is_seen_before_the_end() -> None:
    one = stage(warm={"until": {"output": "x"}})
    one.begin()
    assert one.program_ended(at(1, text="x")) == [Act.BREAK, Act.STOP, Act.HEAL]
