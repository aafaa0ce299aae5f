"""The limits of the proxy's own, as far as the logic of a flow and of a door keeps them."""

from __future__ import annotations

from tests.flow.play import arm, play, rule

from bustedwall.flow.commons import Commons
from bustedwall.flow.flow import Flow
from bustedwall.flow.orders import RuleCalled, RulesChanged, SetDoor
from bustedwall.flow.table import FlowTable
from bustedwall.flow.visit import Visit
from bustedwall.policy.rules import AtApplied, AtOpen, AtSignal, Heal, Rule, Wait
from bustedwall.terms.commands import Command, Measure, Note, Reset, Send, SetLoss
from bustedwall.terms.dice import Dice
from bustedwall.terms.door import OPEN_DOOR
from bustedwall.terms.events import Arrived, Measured, Opened, Woke
from bustedwall.terms.facts import Fact, FaultEnded, LimitReached, ResetSent
from bustedwall.terms.items import Bytes
from bustedwall.terms.leg import LEGS, Leg
from bustedwall.terms.limits import Limit, Limits
from bustedwall.terms.losses import NO_LOSS

CLIENT, SERVER = Leg.CLIENT, Leg.SERVER


def flow_of(*rules: Rule, limits: Limits) -> Flow:
    flow = Flow(rules, commons=Commons(Dice.seeded(0), limits))
    flow.handle(Opened(), 0.0)
    return flow


def facts(commands: list[Command]) -> list[Fact]:
    return [command.fact for command in commands if isinstance(command, Note)]


# ---- fault: the dead man's switch


def test_a_fault_without_an_end_ends_with_the_limit_of_a_faults_life() -> None:
    flow = flow_of(rule(AtOpen(), arm("drop all from client")), limits=Limits(fault=60.0))

    assert flow.deadline() == 60.0
    assert flow.handle(Woke(), 60.0) == [
        Note(LimitReached(Limit.FAULT, 60.0)),
        Note(FaultEnded("test/rule", "drop all from client", "its time is over")),
        SetLoss(CLIENT, NO_LOSS),
    ]
    assert flow.deadline() is None


def test_a_fault_that_would_last_longer_is_cut_short_and_one_that_would_not_is_left_alone() -> None:
    longer, shorter = arm("drop all from client", span=61.0), arm("drop all from server", span=59.0)
    flow = flow_of(rule(AtOpen(), longer, shorter), limits=Limits(fault=60.0))

    at_its_time = facts(flow.handle(Woke(), 59.0))
    at_the_limit = facts(flow.handle(Woke(), 60.0))

    assert [fact.name for fact in at_its_time] == ["fault-ended"]
    assert [fact.name for fact in at_the_limit] == ["limit-reached", "fault-ended"]


def test_what_a_fault_held_at_the_limit_goes_out_behind_the_losses_of_others() -> None:
    flow = flow_of(rule(AtOpen(), arm("stall from client"), arm("drop all to server")), limits=Limits(fault=60.0))
    flow.handle(Arrived(CLIENT, Bytes(b"held")), 1.0)

    play(flow, (60.0, Woke(), [SetLoss(SERVER, NO_LOSS), Send(SERVER, b"held")]))


def test_a_script_goes_on_when_its_fault_has_reached_the_limit() -> None:
    steps = (arm("drop all from client"), Wait(100.0), arm("reset client"))
    flow = flow_of(rule(AtOpen(), *steps), limits=Limits(fault=60.0))

    play(flow, (60.0, Woke(), [SetLoss(CLIENT, NO_LOSS)]), (100.0, Woke(), [Reset(CLIENT)]))


def test_a_fault_that_was_healed_in_time_does_not_reach_the_limit() -> None:
    flow = flow_of(rule(AtOpen(), arm("drop all from client"), Wait(5.0), Heal()), limits=Limits(fault=60.0))
    flow.handle(Woke(), 5.0)

    assert flow.deadline() is None
    assert flow.handle(Woke(), 60.0) == []


def test_a_fault_that_comes_again_has_its_own_life() -> None:
    again = rule(AtSignal("go"), arm("drop all from client"))
    flow = flow_of(again, limits=Limits(fault=60.0))
    flow.handle(RuleCalled(again), 0.0)
    flow.handle(RuleCalled(again), 50.0)

    assert [fact.name for fact in facts(flow.handle(Woke(), 60.0))] == ["limit-reached", "fault-ended"]
    assert flow.deadline() == 110.0


def test_a_door_opens_when_its_fault_has_reached_the_limit() -> None:
    table = FlowTable(Dice.seeded(0), Limits(fault=60.0))
    table.handle(RulesChanged((rule(AtApplied(), arm("refuse")),)), 0.0)

    assert table.deadline() == 60.0
    assert table.handle(Woke(), 60.0) == [
        Note(LimitReached(Limit.FAULT, 60.0)),
        Note(FaultEnded("test/rule", "refuse", "its time is over")),
        SetDoor(OPEN_DOOR),
    ]


# ---- orphan


def test_what_is_left_of_a_flow_is_ended_after_the_limit_that_was_set() -> None:
    flow = flow_of(rule(AtOpen(), arm("reset client")), limits=Limits(orphan=5.0))

    assert flow.deadline() == 5.0
    assert flow.handle(Woke(), 5.0) == [
        Note(LimitReached(Limit.ORPHAN, 5.0)),
        Reset(SERVER, "limits.orphan"),
        Note(ResetSent(SERVER, "limits.orphan")),
    ]
    assert flow.over


# ---- idle


def admitted(limits: Limits) -> Flow | None:
    table = FlowTable(Dice.seeded(0), limits)
    table.handle(RulesChanged(()), 0.0)
    return table.admit("127.0.0.1", 0.0)


def test_without_an_idle_limit_a_flow_that_no_rule_touches_needs_no_logic() -> None:
    assert admitted(Limits()) is None


def test_an_idle_flow_is_ended_with_both_legs_and_not_before() -> None:
    table = FlowTable(Dice.seeded(0), Limits(idle=10.0))
    table.handle(RulesChanged(()), 0.0)
    assert table.admit("127.0.0.1", 0.0) is None, "it rests"
    resting = table.rest(Visit(1, "127.0.0.1", 0.0), 1.0)
    assert resting is not None
    assert resting.due == 11.0
    flow = table.join(Visit(1, "127.0.0.1", 0.0), {}, opened=True, resting=resting)

    play(flow, (11.0, Woke(), [Measure(CLIENT), Measure(SERVER)]), (11.0, Measured(CLIENT, 2.0, 1), []))
    play(flow, (11.0, Measured(SERVER, 12.0, 1), []))  # the client has spoken two seconds ago
    assert flow.deadline() == 19.0
    flow.handle(Woke(), 19.0)
    flow.handle(Measured(CLIENT, 10.0, 1), 19.0)
    commands = flow.handle(Measured(SERVER, 20.0, 1), 19.0)

    assert [fact for fact in facts(commands) if isinstance(fact, LimitReached)] == [LimitReached(Limit.IDLE, 10.0)]
    assert [command for command in commands if not isinstance(command, Note)] == [
        Reset(leg, "limits.idle") for leg in LEGS
    ]
    assert flow.over


def test_the_idle_limit_stays_when_policies_come_and_go() -> None:
    table = FlowTable(Dice.seeded(0), Limits(idle=10.0))
    table.handle(RulesChanged((rule(AtOpen(), arm("latency 1s from client")),)), 0.0)
    table.handle(RulesChanged(()), 1.0)

    assert [each.name for each in table.rules_of(Visit(1, "127.0.0.1", 0.0))] == ["limits.idle"]
