from __future__ import annotations

import json

import pytest

from bustedwall.replay.comparison import Comparison, compare
from bustedwall.replay.decision import Decision, Key
from bustedwall.replay.recording import NoRecordingError, read


def line(fact: str, *, proxy: str | None = "web", flow: int | None = 1, **fields: object) -> str:
    return json.dumps({"schema": 1, "at": "2026", "proxy": proxy, "flow": flow, "fact": fact, **fields})


BEGINNING = [
    line("run-started", proxy=None, flow=None, seed=7),
    line("setup-told", proxy=None, flow=None, version="1.2", config="{}"),
]
FIRED = line("rule-fired", rule="p/r", coming=1, passed_from_client=5, passed_from_server=6, draw=0.2)
SPARED = line("rule-spared", flow=2, rule="p/r", coming=1, draw=0.9)
DRAWN = line("share-drawn", flow=3, rule="p/r", draw=0.1, touched=True)
LOOKED = line("order-looked", flow=3, rule="p/r", touched=False)
AT_DOOR = line("rule-fired", flow=None, rule="p/d", coming=2, passed_from_client=0, passed_from_server=0, draw=None)


def test_a_recording_has_each_decision_by_proxy_flow_rule_and_coming() -> None:
    told = read([*BEGINNING, FIRED, SPARED, DRAWN, LOOKED, AT_DOOR, line("flow-closed")])
    assert told.decisions == {
        Key("web", 1, "p/r", 1): Decision(0.2, 5, 6, fired=True),
        Key("web", 2, "p/r", 1): Decision(0.9, None, None, fired=False),
        Key("web", 3, "p/r", 0): Decision(0.1, None, None, fired=True),
        Key("web", 3, "p/r", -1): Decision(None, None, None, fired=False),
        Key("web", 0, "p/d", 2): Decision(None, None, None, fired=True),
    }
    recorded = told.by_proxy()["web"]
    assert recorded.fired == {("p/r", 1, 1): True, ("p/r", 2, 1): False, ("p/d", 0, 2): True}
    assert recorded.touched == {("p/r", 3): True}
    assert recorded.in_order == {("p/r", 3): False}


def test_of_several_runs_the_last_one_counts() -> None:
    assert read([*BEGINNING, FIRED, *BEGINNING, SPARED]).decisions.keys() == {Key("web", 2, "p/r", 1)}


def test_what_was_changed_and_what_is_missing_is_told() -> None:
    changed = line("rules-changed", flow=None, added=[], removed=[], kept=1)
    told = read([*BEGINNING, changed, line("facts-dropped", proxy=None, flow=None, count=3)])
    assert told.changes == ["2026: rules-changed web"]
    assert told.dropped == 3


def test_a_line_that_a_crash_has_torn_is_missing_and_the_others_are_not() -> None:
    told = read([*BEGINNING, FIRED[:20], SPARED, DRAWN[:-1]])
    assert told.torn == [3, 5]
    assert told.decisions.keys() == {Key("web", 2, "p/r", 1)}
    assert read([*BEGINNING, FIRED[:20], *BEGINNING, SPARED]).torn == []


@pytest.mark.parametrize(
    ("lines", "where", "why"),
    [
        (["{"], 1, "this is not a line of a journal"),
        (["[]"], 1, "this is not a line of a journal"),
        ([*BEGINNING, '{"fact": "x", "schema": 2}'], 3, "a line of version 2; version 1 is understood here"),
        ([line("run-started", proxy=None)], 1, "a fact 'run-started' without 'seed'"),
        ([line("run-started", seed="x")], 1, "a fact 'run-started' with a value of another kind"),
        ([*BEGINNING, line("rule-fired", rule="p/r", coming=1)], 3, "a fact 'rule-fired' without 'passed_from_client'"),
        ([BEGINNING[0], line("setup-told", config="{}")], 2, "a fact 'setup-told' without 'version'"),
        ([FIRED], 0, "there is no beginning of a run in it"),
        ([], 0, "there is no beginning of a run in it"),
    ],
)
def test_what_is_no_recording_is_told_with_its_line(lines: list[str], where: int, why: str) -> None:
    with pytest.raises(NoRecordingError, match=why) as told:
        read(lines)
    assert told.value.line == where


FIRST = {
    Key("web", 1, "p/r", 1): Decision(0.2, 5, 6, fired=True),
    Key("web", 2, "p/r", 1): Decision(0.9, None, None, fired=False),
}


def test_equal_runs_do_not_differ() -> None:
    assert compare(FIRST, dict(reversed(FIRST.items()))) == []


@pytest.mark.parametrize(
    ("came", "said", "decided"),
    [
        (Decision(0.2, None, None, fired=False), "web flow 1: p/r: it did not fire; recorded: it fired", True),
        (Decision(0.3, 5, 6, fired=True), "web flow 1: p/r: 0.3 was drawn; recorded: 0.2", True),
        (
            Decision(0.2, 5, 9, fired=True),
            "web flow 1: p/r: 9 bytes of the server had passed when it fired; recorded: 6",
            False,
        ),
    ],
)
def test_a_difference_says_what_came_and_what_was_recorded(came: Decision, said: str, decided: bool) -> None:  # noqa: FBT001
    (found,) = compare(FIRST, {**FIRST, Key("web", 1, "p/r", 1): came})
    assert (str(found), found.decided) == (said, decided)


def test_of_a_match_it_is_told_whether_it_touches_the_flow() -> None:
    one, other = (read([*BEGINNING, line("share-drawn", rule="p/r", draw=0.1, touched=yes)]) for yes in (True, False))
    (found,) = compare(one.decisions, other.decisions)
    assert str(found) == "web flow 1: p/r, its share: it does not touch the flow; recorded: it touches the flow"
    (found,) = compare(read([*BEGINNING, LOOKED]).decisions, {})
    assert str(found) == (
        "web flow 3: p/r, its above and after: it was asked, and it does not touch the flow; here that has not come"
    )


def test_what_has_not_come_and_what_was_not_recorded_is_told() -> None:
    comparison = Comparison(FIRST)
    more = comparison.see(Key("web", 0, "p/d", 3), Decision(None, None, None, fired=True))
    assert str(more) == "the door of web: p/d, time 3: it fired, and there is nothing of it in the recording"
    assert [str(one) for one in comparison.missing()] == [
        "web flow 1: p/r: its moment came, and it fired; here that has not come",
        "web flow 2: p/r: its moment came, and it did not fire; here that has not come",
    ]


def test_what_a_flow_lacks_is_told_at_its_end_and_not_again() -> None:
    comparison = Comparison(FIRST)
    assert [str(one) for one in comparison.end_flow("web", 1)] == [
        "web flow 1: p/r: its moment came, and it fired; here that has not come"
    ]
    assert comparison.end_flow("web", 1) == comparison.end_flow("web", 9) == []
    assert [one.key.flow for one in comparison.missing()] == [2]
