"""A flow that waits for silence only has no logic meanwhile, and nobody can tell."""

from __future__ import annotations

from random import Random

import pytest
from tests.flow.play import CLIENT, SERVER, arm, play, rule

from bustedwall.flow.commons import Commons
from bustedwall.flow.flow import Flow
from bustedwall.flow.orders import RulesChanged
from bustedwall.flow.rest import Rest, is_needed, rest
from bustedwall.flow.table import FlowTable
from bustedwall.flow.visit import Visit
from bustedwall.policy.rules import AtAge, AtIdle, AtOpen, AtSignal, Clock, Rule
from bustedwall.terms.commands import Measure, Note, Reset
from bustedwall.terms.dice import Dice
from bustedwall.terms.events import Accepted, Arrived, Measured, Opened, Passed, Woke
from bustedwall.terms.facts import RuleFired
from bustedwall.terms.items import FIN, Bytes
from bustedwall.testing.simulated import Pretended, SimulatedRelay

RESET = arm("reset both")
SILENCE = rule(AtIdle(10.0, Clock.DATA), RESET, name="test/silence")
LONGER = rule(AtIdle(20.0, Clock.DATA), RESET, name="test/longer")
PACKETS = rule(AtIdle(10.0, Clock.PACKETS), RESET, name="test/packets")
AGE = rule(AtAge(10.0), RESET, name="test/age")
SIGNAL = rule(AtSignal("go"), RESET, name="test/signal")


@pytest.mark.parametrize(
    ("rules", "due"),
    [
        ((), None),
        ((SIGNAL,), None),
        ((SILENCE,), 15.0),
        ((LONGER, SILENCE, SIGNAL), 15.0),
        ((SILENCE, PACKETS), None),
        ((SILENCE, AGE), None),
    ],
    ids=lambda each: "+".join(rule.name for rule in each) if isinstance(each, tuple) else None,
)
def test_a_flow_rests_until_the_first_of_its_rules_asks_and_only_if_all_wait_for_silence(
    rules: tuple[Rule, ...], due: float | None
) -> None:
    resting = rest(rules, 5.0)

    assert (None if resting is None else resting.due) == due
    assert is_needed(rules) == (PACKETS in rules or AGE in rules)


def opened(*rules: Rule) -> Flow:
    flow = Flow(rules)
    flow.handle(Accepted(), 0.0)
    flow.handle(Opened(), 1.0)
    return flow


def test_what_has_moved_meanwhile_wakes_nobody_and_is_not_forgotten() -> None:
    table = FlowTable(Dice.seeded(0))
    table.handle(RulesChanged((SILENCE,)), 0.0)
    assert table.admit("127.0.0.1", 0.0) is None
    resting = table.rest(Visit(1, "127.0.0.1", 0.0), 1.0)
    assert resting == Rest((SILENCE,), 1.0)

    flow = table.join(Visit(1, "127.0.0.1", 0.0), {CLIENT: 70, SERVER: 5}, opened=True, resting=resting)
    play(flow, (11.0, Woke(), [Measure(CLIENT), Measure(SERVER)]), (11.0, Measured(CLIENT, 10.0, 1), []))
    commands = flow.handle(Measured(SERVER, 10.0, 1), 11.0)

    assert next(c.fact for c in commands if isinstance(c, Note)) == RuleFired("test/silence", 1, 70, 5, None)
    assert [c.leg for c in commands if isinstance(c, Reset)] == [CLIENT, SERVER]


def test_asked_too_early_it_rests_again_from_the_last_byte_on() -> None:
    flow = opened(SILENCE)
    assert flow.rest() == Rest((SILENCE,), 1.0)

    flow.handle(Woke(), 11.0)
    assert flow.rest() is None, "the kernel is being asked"
    flow.handle(Measured(CLIENT, 3.0, 1), 11.0)
    flow.handle(Measured(SERVER, 9.0, 1), 11.0)

    assert flow.rest() == Rest((SILENCE,), 8.0)


@pytest.mark.parametrize("event", [Arrived(CLIENT, FIN), RulesChanged((SILENCE, AGE)), RulesChanged(())], ids=repr)
def test_a_logic_that_knows_more_does_not_rest(event: Arrived | RulesChanged) -> None:
    flow = opened(SILENCE)

    flow.handle(event, 2.0)

    assert flow.rest() is None


def test_a_rule_that_came_later_counts_from_then_on_so_both_clocks_are_kept() -> None:
    flow = opened(SILENCE)

    flow.handle(RulesChanged((SILENCE, LONGER)), 5.0)

    assert flow.rest() is None
    for leg in (CLIENT, SERVER):
        flow.handle(Woke(), 11.0)
        flow.handle(Measured(leg, 2.0, 1), 11.0)
    assert flow.deadline() == 19.0


def test_a_logic_with_a_fault_in_force_does_not_rest() -> None:
    flow = opened(SILENCE, rule(AtOpen(), arm("latency 1s from client"), name="test/slow"))
    assert flow.rest() is None

    flow.handle(Arrived(CLIENT, Bytes(b"held")), 2.0)
    flow.handle(RulesChanged((SILENCE,)), 2.1)
    flow.handle(Passed(CLIENT, 0), 2.2)

    assert flow.held == 0
    assert flow.rest() == Rest((SILENCE,), 1.0), "all is as it was"


def test_the_simulated_relay_puts_them_to_rest() -> None:
    """Or the properties of tests/flow/test_properties would say nothing about it."""
    rests = 0
    for seed in range(10):
        flow = Flow((LONGER,), commons=Commons(Dice.seeded(7)))
        of = SimulatedRelay(flow, Pretended(bytes(60), None), Pretended(bytes(60), None), Random(seed))
        of.run()
        assert of.flow.over, "its moment comes all the same"
        rests += of.rests
    assert rests
