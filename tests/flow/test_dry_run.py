"""A dry run: the same rules fire, by the same draws, and nothing is done to anybody."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.flow.anything import faults
from tests.flow.play import arm, fired, rule

from bustedwall.faults.fault import Fault
from bustedwall.flow.commons import Commons
from bustedwall.flow.flow import Flow
from bustedwall.flow.orders import RulesChanged, SetDoor
from bustedwall.flow.table import FlowTable
from bustedwall.flow.visit import Visit
from bustedwall.policy.rules import Arm, AtApplied, AtBytes, AtOpen, Heal, Rule, Wait
from bustedwall.terms.commands import Note
from bustedwall.terms.dice import Dice
from bustedwall.terms.events import Measured, Opened, Passed, Woke
from bustedwall.terms.facts import DryRun, Fact, FaultArmed, LimitReached
from bustedwall.terms.leg import Leg
from bustedwall.terms.limits import Limit, Limits
from bustedwall.terms.passage import OPEN_ROAD

CLIENT, SERVER = Leg.CLIENT, Leg.SERVER


def flow_of(*rules: Rule, number: int = 1, dry: bool = True) -> Flow:
    commons = Commons(Dice.seeded(7))
    commons.dry_run = dry
    return Flow(rules, commons=commons, number=number)


def facts(commands: Sequence[object]) -> list[Fact]:
    return [command.fact for command in commands if isinstance(command, Note)]


@pytest.mark.parametrize("fault", faults(), ids=str)
def test_no_fault_does_anything(fault: Fault) -> None:
    flow = flow_of(rule(AtOpen(), Arm(fault)))
    commands = flow.handle(Opened(), 0.0)

    assert all(isinstance(command, Note) for command in commands)
    told = [] if fault.at_door else [DryRun("test/rule", str(fault))]
    assert [fact for fact in facts(commands) if isinstance(fact, DryRun | FaultArmed)] == told
    assert flow.passage(CLIENT) == flow.passage(SERVER) == OPEN_ROAD
    assert flow.deadline() is None


def test_a_script_goes_its_way_in_its_time() -> None:
    steps = (arm("drop all from client"), Wait(5.0), Heal(), arm("reset client"))
    flow = flow_of(rule(AtBytes(SERVER, 10), *steps))
    flow.handle(Opened(), 0.0)

    assert fired(flow.handle(Passed(SERVER, 10), 1.0)) == ["test/rule"]
    assert flow.deadline() == 6.0
    assert flow.handle(Woke(), 6.0) == [Note(DryRun("test/rule", "reset client"))]
    assert not flow.over


def test_the_draws_are_those_of_the_real_run() -> None:
    chance = rule(AtOpen(), arm("reset client"), probability=0.5)
    outcomes = set()
    for number in range(1, 20):
        real, told = (flow_of(chance, number=number, dry=dry).handle(Opened(), 0.0) for dry in (False, True))
        assert fired(real) == fired(told)
        outcomes.add(bool(fired(real)))
    assert outcomes == {True, False}


def test_the_door_stays_open() -> None:
    table = FlowTable(Dice.seeded(0))
    table.make_dry(dry=True)
    commands = table.handle(RulesChanged((rule(AtApplied(), arm("refuse")),)), 0.0)

    assert not any(isinstance(command, SetDoor) for command in commands)
    assert DryRun("test/rule", "refuse") in facts(commands)


def test_limits_hold_all_the_same() -> None:
    table = FlowTable(Dice.seeded(0), Limits(idle=10.0))
    table.make_dry(dry=True)
    table.handle(RulesChanged(()), 0.0)
    assert table.admit("127.0.0.1", 0.0) is None
    flow = table.join(Visit(1, "127.0.0.1", 0.0), {}, opened=True, resting=table.rest(Visit(1, "127.0.0.1", 0.0), 0.0))
    flow.handle(Woke(), 10.0)
    flow.handle(Measured(CLIENT, 10.0, 1), 10.0)
    commands = flow.handle(Measured(SERVER, 10.0, 1), 10.0)

    assert LimitReached(Limit.IDLE, 10.0) in facts(commands)
    assert flow.over
