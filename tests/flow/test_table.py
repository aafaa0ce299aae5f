"""What a proxy knows of all its flows: who matches, policy clocks, signals, the door."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest
from tests.flow.play import arm, fired, rule

from bustedwall.flow.orders import CallRule, FlowsChanged, RulesChanged, SetDoor, Signalled, TellRules
from bustedwall.flow.struck import MOST, Struck
from bustedwall.flow.table import FlowTable
from bustedwall.flow.visit import Visit
from bustedwall.policy.rules import (
    After,
    Age,
    AtAge,
    AtApplied,
    AtOpen,
    AtPolicyAge,
    AtRepeat,
    AtSignal,
    Heal,
    Match,
    Rule,
    Wait,
)
from bustedwall.terms.commands import Note
from bustedwall.terms.dice import Dice
from bustedwall.terms.door import OPEN_DOOR, Door, DoorMode, Ignored, Knock
from bustedwall.terms.events import Opened, Woke
from bustedwall.terms.facts import RuleSpared, ShareDrawn

LATENCY = arm("latency 1s from client")
REFUSED = Door(DoorMode.REFUSE)


def table(*rules: Rule, seed: int = 7) -> FlowTable:
    made = FlowTable(Dice.seeded(seed).at("proxy"))
    made.handle(RulesChanged(rules), 0.0)
    return made


def told(of: FlowTable, event: RulesChanged | Signalled | FlowsChanged | Woke, now: float) -> list[object]:
    return [command for command in of.handle(event, now) if not isinstance(command, Note)]


def touched(match: Match, count: int = 20, address: str = "127.0.0.1") -> list[int]:
    only = rule(AtOpen(), LATENCY, match=match)
    of = table(only)
    return [number for number in range(1, count + 1) if of.admit(address, 1.0) is not None]


def test_a_flow_that_no_rule_can_touch_has_no_logic() -> None:
    assert table().admit("127.0.0.1", 0.0) is None
    assert table(rule(AtSignal("x"), LATENCY)).admit("127.0.0.1", 0.0) is None
    assert table(rule(AtOpen(), LATENCY)).admit("127.0.0.1", 0.0) is not None


def test_a_rule_that_is_no_more_touches_no_flow() -> None:
    """A call that was due before a change may be performed after it."""
    gone = rule(AtRepeat(1.0), LATENCY)
    of = table(gone)

    assert told(of, RulesChanged(()), 1.0) == [CallRule(gone), TellRules()]
    assert not of.touches(gone, Visit(1, "127.0.0.1", 0.0))


def test_flows_are_matched_by_their_number() -> None:
    assert touched(Match(nth=2)) == [2]
    assert touched(Match(first=3)) == [1, 2, 3]
    assert touched(Match(every=5)) == [5, 10, 15, 20]
    assert touched(Match(first=10, every=5)) == [5, 10]


def test_a_share_of_the_flows_is_drawn_once_and_by_the_seed() -> None:
    share = touched(Match(share=0.3), 1000)

    assert share == touched(Match(share=0.3), 1000)
    assert 240 < len(share) < 360


def test_each_draw_of_a_share_is_a_fact_and_says_what_it_decided() -> None:
    only, other = rule(AtOpen(), LATENCY, match=Match(share=0.3)), rule(AtOpen(), LATENCY, name="p/other")
    of = table(other, only)
    drawn = {number: of.draws(Visit(number, "127.0.0.1", 1.0)) for number in range(1, 101)}

    assert {len(facts) for facts in drawn.values()} == {1}
    touched = [number for number, (fact,) in drawn.items() if isinstance(fact, ShareDrawn) and fact.touched]
    assert touched == [number for number in drawn if only in of.rules_of(Visit(number, "127.0.0.1", 1.0))]
    assert all((fact.draw < 0.3) == fact.touched for (fact,) in drawn.values() if isinstance(fact, ShareDrawn))


def test_open_flows_are_drawn_by_the_rules_that_are_new() -> None:
    old = rule(AtOpen(), LATENCY, match=Match(share=0.3))
    new = rule(AtOpen(), LATENCY, match=Match(share=0.3), name="p/new")
    of = table(old)
    (tell,) = told(of, RulesChanged((old, new)), 1.0)

    assert tell == TellRules((new,))
    assert [fact.record()["rule"] for fact in of.draws(Visit(1, "127.0.0.1", 1.0), (new,))] == ["p/new"]


@pytest.mark.parametrize(
    ("address", "matches"),
    [("10.1.2.3", True), ("11.0.0.1", False), ("::ffff:10.9.9.9", True), ("fe80::1%eth0", False), ("fd00::5", True)],
)
def test_clients_are_matched_by_address(address: str, matches: bool) -> None:  # noqa: FBT001
    networks = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))

    assert bool(touched(Match(address=networks), 1, address)) == matches


def test_new_and_open_are_seen_from_when_the_policy_was_applied() -> None:
    new = rule(AtOpen(), LATENCY, match=Match(state=Age.NEW), name="p/new")
    open_ = rule(AtOpen(), LATENCY, match=Match(state=Age.OPEN), name="p/open")
    of = table()
    of.handle(RulesChanged((new, open_)), 10.0)

    assert of.rules_of(Visit(1, "127.0.0.1", 5.0)) == (open_,)
    assert of.rules_of(Visit(2, "127.0.0.1", 15.0)) == (new,)


def test_a_rule_for_when_it_is_applied_is_called_at_once_and_once() -> None:
    only = rule(AtApplied(), LATENCY)
    of = FlowTable(Dice.seeded(1))

    assert told(of, RulesChanged((only,)), 1.0) == [TellRules((only,)), CallRule(only)]
    assert told(of, RulesChanged((only,)), 2.0) == [TellRules()]


def test_policy_age_and_repeat_count_from_when_the_policy_was_applied() -> None:
    once, again = rule(AtPolicyAge(10.0), LATENCY, name="p/once"), rule(AtRepeat(4.0), LATENCY, name="p/again")
    of = table(once, again)

    assert of.deadline() == 4.0
    assert told(of, Woke(), 3.9) == []
    assert told(of, Woke(), 4.1) == [CallRule(again)]
    assert of.deadline() == 8.0
    assert told(of, Woke(), 12.0) == [CallRule(again), CallRule(once), CallRule(again)]
    assert of.deadline() == 16.0


def test_a_signal_calls_the_rules_that_wait_for_it() -> None:
    wanted, other = rule(AtSignal("go"), LATENCY, name="p/a"), rule(AtSignal("stop"), LATENCY, name="p/b")

    assert told(table(wanted, other), Signalled("go"), 1.0) == [CallRule(wanted)]


def test_the_door_is_what_is_armed_and_opens_by_itself() -> None:
    closed = rule(AtSignal("crash"), arm("refuse", span=5.0))
    of = table(closed)

    assert told(of, Signalled("crash"), 1.0) == [SetDoor(REFUSED), CallRule(closed)]
    assert of.deadline() == 6.0
    assert told(of, Woke(), 6.0) == [SetDoor(OPEN_DOOR)]


def test_the_strictest_of_two_doors_is_met() -> None:
    ignored = rule(AtSignal("ignore"), arm("ignore"), Wait(10.0), Heal(), name="p/ignore")
    refused = rule(AtSignal("refuse"), arm("refuse"), Wait(2.0), Heal(), name="p/refuse")
    of = table(ignored, refused)

    assert told(of, Signalled("ignore"), 0.0)[0] == SetDoor(Door(DoorMode.IGNORE))
    assert told(of, Signalled("refuse"), 1.0)[0] == SetDoor(REFUSED)
    assert told(of, Woke(), 3.0) == [SetDoor(Door(DoorMode.IGNORE))]
    assert told(of, Woke(), 10.0) == [SetDoor(OPEN_DOOR)]


def test_of_two_doors_that_ignore_the_one_that_does_so_for_ever_is_met() -> None:
    few, all_ = rule(AtApplied(), arm("ignore", first=2), name="p/few"), rule(AtApplied(), arm("ignore"), name="p/all")

    assert [c for c in told(table(), RulesChanged((few, all_)), 0.0) if isinstance(c, SetDoor)] == [
        SetDoor(Door(DoorMode.IGNORE, 2)),
        SetDoor(Door(DoorMode.IGNORE)),
    ]


def test_of_doors_that_ignore_some_the_union_is_met_and_a_stricter_one_alone() -> None:
    def ignoring(name: str, span: float, **options: object) -> Rule:
        return rule(AtSignal(name), arm("ignore", span=span, **options), name=f"test/{name}")

    ten, one = Ignored(Knock.SYN, (ip_network("10.0.0.0/8"),)), Ignored(Knock.LAST_ACK, (ip_network("::1"),))
    of = table()
    told(
        of,
        RulesChanged(
            (
                ignoring("ten", 5.0, clients="10.0.0.0/8"),
                ignoring("one", 9.0, what="last_ack", clients="::1"),
                ignoring("all", 2.0),
            )
        ),
        0.0,
    )

    assert told(of, Signalled("ten"), 0.0)[0] == SetDoor(Door(DoorMode.IGNORE_SOME, ignored=frozenset({ten})))
    both = SetDoor(Door(DoorMode.IGNORE_SOME, ignored=frozenset({ten, one})))
    assert told(of, Signalled("one"), 0.0)[0] == both
    assert told(of, Signalled("all"), 0.0)[0] == SetDoor(Door(DoorMode.IGNORE))
    assert told(of, Woke(), 2.0) == [both]
    assert told(of, Woke(), 5.0) == [SetDoor(Door(DoorMode.IGNORE_SOME, ignored=frozenset({one})))]
    assert told(of, Woke(), 9.0) == [SetDoor(OPEN_DOOR)]


def test_a_total_counts_at_the_door_too_and_a_firing_that_is_spared_is_told() -> None:
    crash = rule(AtSignal("crash"), arm("refuse", span=1.0), total=1)
    of = table(crash)

    assert told(of, Signalled("crash"), 1.0)[0] == SetDoor(REFUSED)
    again = of.handle(Signalled("crash"), 5.0)
    assert Note(RuleSpared("test/rule", 2)) in again
    assert not any(isinstance(command, SetDoor) and command.door == REFUSED for command in again)


def test_a_rule_that_has_gone_touches_no_flow() -> None:
    """The call of a rule may be performed after the rules have changed."""
    gone = rule(AtRepeat(1.0), LATENCY, match=Match(state=Age.NEW))
    of = table(gone)

    assert told(of, RulesChanged(()), 1.0) == [CallRule(gone), TellRules()]
    assert not of.touches(gone, Visit(1, "127.0.0.1", 0.0))


def test_a_policy_that_is_taken_away_opens_the_door_again() -> None:
    of = table(rule(AtApplied(), arm("refuse")))

    assert told(of, RulesChanged(()), 5.0) == [TellRules(), SetDoor(OPEN_DOOR)]
    assert of.deadline() is None


def test_totals_begin_anew_with_a_policy_that_is_applied_anew() -> None:
    only = rule(AtOpen(), LATENCY, total=1)
    of = table(only)

    def fires() -> bool:
        flow = of.admit("127.0.0.1", 0.0)
        assert flow is not None
        return bool(fired(flow.handle(Opened(), 0.0)))

    assert (fires(), fires()) == (True, False)
    of.handle(RulesChanged(()), 1.0)
    of.handle(RulesChanged((only,)), 2.0)
    assert fires()


@pytest.mark.parametrize(
    ("address", "matches"),
    [("10.0.0.7", True), ("10.1.2.3", False), ("::ffff:10.1.2.3", False), ("192.0.2.1", False)],
)
def test_some_clients_within_a_range_are_left_alone(address: str, matches: bool) -> None:  # noqa: FBT001
    match = Match(address=(ip_network("10.0.0.0/8"),), not_address=(ip_network("10.1.0.0/16"),))
    assert bool(touched(match, 1, address)) == matches
    all_others = Match(not_address=(ip_network("10.1.0.0/16"), ip_network("2001:db8::/32")))
    assert bool(touched(all_others, 1, address)) == (not address.endswith("10.1.2.3"))


# ---- what flows have in common


def test_who_comes_above_a_count_of_open_flows_is_matched_and_who_comes_later_is_not() -> None:
    of = table(rule(AtOpen(), LATENCY, match=Match(above=2)))

    assert [of.admit("127.0.0.1", 1.0) is not None for _ in range(4)] == [False, False, True, True]
    for now in (2.0, 3.0, 4.0):
        of.leave(now)
    assert of.flows == 1
    assert of.admit("127.0.0.1", 5.0) is None


STRIKE = rule(AtOpen(), arm("reset client"), name="p/strike")
BLOCKED = rule(AtOpen(), arm("reset client"), name="p/blocked", match=Match(after=After("p/strike", 10.0)))


def hit(of: FlowTable, address: str, now: float) -> list[str]:
    """Have a client come; return which rules have fired on its flow."""
    flow = of.admit(address, now)
    return [] if flow is None else fired(flow.handle(Opened(), now))


def test_a_client_that_a_rule_has_struck_is_remembered_for_a_while() -> None:
    only_one = replace(STRIKE, match=Match(first=1))
    of = table(only_one, BLOCKED)

    assert hit(of, "127.0.0.1", 1.0) == ["p/strike"]
    assert hit(of, "127.0.0.2", 2.0) == []
    assert hit(of, "127.0.0.1", 11.0) == ["p/blocked"]
    assert hit(of, "127.0.0.1", 11.1) == [], "being blocked is not being struck"


def test_what_a_flow_was_when_it_came_does_not_change_when_its_client_is_struck_again() -> None:
    of = table(STRIKE, BLOCKED)
    for now in (1.0, 9.0):
        hit(of, "127.0.0.1", now)

    assert of.touches(BLOCKED, Visit(2, "127.0.0.1", 5.0)), "between the two"
    assert not of.touches(BLOCKED, Visit(1, "127.0.0.1", 0.5))


def test_a_rule_that_is_applied_anew_has_struck_nobody() -> None:
    of = table(STRIKE, BLOCKED)
    hit(of, "127.0.0.1", 1.0)
    of.handle(RulesChanged((BLOCKED,)), 2.0)
    of.handle(RulesChanged((STRIKE, BLOCKED)), 3.0)

    assert not of.touches(BLOCKED, Visit(2, "127.0.0.1", 4.0))


def test_of_too_many_clients_the_one_that_was_struck_first_is_forgotten_and_told() -> None:
    struck = Struck(10.0)
    told = [struck.note(f"10.0.{n >> 8}.{n & 255}", n / 1e6) for n in range(MOST + 1)]

    assert told == [None] * MOST + ["10.0.0.0"]
    assert not struck.before("10.0.0.0", 1.0, 10.0)
    assert struck.note("new", 100.0) is None, "the next one had been forgotten by then, too"


def test_a_table_that_is_full_shuts_the_door_until_an_entry_has_gone() -> None:
    of = table(rule(AtApplied(), arm("table", entries=2, linger="5s")))
    ignored, change = SetDoor(Door(DoorMode.IGNORE)), FlowsChanged()

    of.admit("127.0.0.1", 1.0)
    assert of.crowded, "the table is to be told"
    assert told(of, change, 1.0) == []
    of.admit("127.0.0.1", 1.0)
    assert told(of, change, 1.0) == [ignored]
    assert of.leave(2.0)
    assert told(of, change, 2.0) == [], "the entry stays for a while"
    assert of.deadline() == 7.0
    assert told(of, Woke(), 7.0) == [SetDoor(OPEN_DOOR)]
    assert of.deadline() == 1800.0, "limits.fault"


def test_flows_that_are_older_than_a_table_have_entries_in_it() -> None:
    of = table()
    for _ in range(3):
        of.admit("127.0.0.1", 0.0)
    assert not of.crowded

    full = rule(AtApplied(), arm("table", entries=3, full="refuse"))
    assert told(of, RulesChanged((full,)), 1.0) == [TellRules((full,)), SetDoor(REFUSED), CallRule(full)]
    assert of.leave(2.0)
    assert told(of, FlowsChanged(), 2.0) == [SetDoor(OPEN_DOOR)]


def test_a_table_beside_another_fault_of_the_door() -> None:
    of = table(rule(AtApplied(), arm("table", entries=1), name="p/table"), rule(AtSignal("x"), arm("refuse", span=1.0)))

    of.admit("127.0.0.1", 0.0)
    assert told(of, FlowsChanged(), 0.0) == [SetDoor(Door(DoorMode.IGNORE))]
    assert told(of, Signalled("x"), 1.0)[0] == SetDoor(REFUSED)
    assert told(of, Woke(), 2.0) == [SetDoor(Door(DoorMode.IGNORE))]


# ---- jitter


def test_ages_differ_by_the_jitter_and_are_the_same_with_the_same_seed() -> None:
    def ages(seed: int) -> list[float | None]:
        of = table(rule(AtAge(10.0, 2.0), LATENCY), seed=seed)
        flows = [of.admit("127.0.0.1", 0.0) for _ in range(200)]
        return [flow.deadline() for flow in flows if flow is not None]

    drawn = ages(7)

    assert drawn == ages(7) != ages(8)
    assert min(filter(None, drawn)) < 8.2
    assert max(filter(None, drawn)) > 11.8
    assert all(age is not None and 8.0 <= age <= 12.0 for age in drawn)
