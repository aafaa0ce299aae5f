"""What flows hold is bounded, however hostile the rules: sources are not read, and nothing is dropped."""

from __future__ import annotations

from random import Random

import pytest
from tests.flow.play import arm, rule

from bustedwall.flow.commons import Commons
from bustedwall.flow.flow import Flow
from bustedwall.flow.held import CHUNK, LEAN, Held
from bustedwall.policy.rules import AtBytes, AtOpen, Wait
from bustedwall.terms.commands import Command, Note, Send
from bustedwall.terms.dice import Dice
from bustedwall.terms.events import Arrived, Flushed, Opened, Woke
from bustedwall.terms.facts import LimitReached
from bustedwall.terms.items import Bytes
from bustedwall.terms.leg import LEGS, Leg
from bustedwall.terms.limits import DEFAULT_LIMITS, Limit, Limits

CLIENT, SERVER = Leg.CLIENT, Leg.SERVER
LIMIT = 1 << 20


def flows_of(held: Held, count: int, *steps: str, limits: Limits = DEFAULT_LIMITS) -> list[Flow]:
    commons = Commons(Dice.seeded(0), limits, held)
    rules = (rule(AtOpen(), *(arm(step) for step in steps)),)
    flows = [Flow(rules, commons=commons, number=number) for number in range(count)]
    for flow in flows:
        flow.handle(Opened(), 0.0)
    return flows


def push(flow: Flow, held: Held, source: Leg, most: int = CHUNK) -> list[Command]:
    """Read as the relay does: within the passage, and no more at once than the account allows."""
    passage = flow.passage(source)
    free = min(most, held.chunk, held.chunk if passage.credit is None else passage.credit)
    return flow.handle(Arrived(source, Bytes(bytes(free))), 0.0) if passage.look and free > 0 else []


def most_of(flows: list[Flow], held: Held) -> int:
    """Have all senders send as fast as they may, in any order; return the most that was ever held."""
    chance, most = Random(7), 0
    for _ in range(40 * len(flows)):
        flow = chance.choice(flows)
        push(flow, held, chance.choice(LEGS), chance.choice([1, 100, CHUNK]))
        most = max(most, held.total)
        assert held.total == sum(d.weight() for f in flows for d in f._directions.values()), "the account is right"
    return most


@pytest.mark.parametrize(
    "steps",
    [
        ["latency 10s from client", "latency 10s from server"],
        ["stall from client", "stall from server"],
        ["bandwidth 1MB/s from client", "latency 10s from client", "bandwidth 1kB/s from server"],
        ["slice 1B from client", "latency 10s from client", "latency 10s from server"],
    ],
)
def test_what_all_hold_stays_within_the_limit_and_a_little_for_each(steps: list[str]) -> None:
    held = Held(LIMIT)
    flows = flows_of(held, 50, *steps)

    most = most_of(flows, held)

    assert most >= LIMIT, "it was put to the test"
    assert most <= LIMIT + CHUNK + 65 * 256 + len(flows) * 2 * (LEAN + 64 * 257)


def test_who_comes_late_is_pressed_and_does_not_starve() -> None:
    held = Held(LIMIT)
    greedy, late = flows_of(held, 2, "latency 10s from client")
    while greedy.passage(CLIENT).credit:
        push(greedy, held, CLIENT)

    assert held.full
    assert greedy.passage(CLIENT).credit == 0
    assert late.passage(CLIENT).credit == LEAN
    push(late, held, CLIENT)
    assert late.passage(CLIENT).credit == 0


def test_when_what_is_held_has_gone_out_all_may_go_on() -> None:
    held = Held(LIMIT)
    flows = flows_of(held, 3, "latency 10s from client")
    most_of(flows, held)
    assert held.full

    for flow in flows:
        sent = [command for command in flow.handle(Woke(), 10.0) if isinstance(command, Send)]
        assert sent
    assert held.total == 0
    assert not held.full
    assert all(flow.passage(CLIENT).credit == DEFAULT_LIMITS.flow_held for flow in flows)


def test_a_little_less_than_the_limit_is_not_enough_to_ease_it() -> None:
    """Or it would fill and ease with every chunk."""
    crossed: list[str] = []

    class Watched(Held):
        def filled(self) -> None:
            crossed.append("filled")

        def eased(self) -> None:
            crossed.append("eased")

    held = Watched(100)
    for by in (99, 1, -1, 1, -24, 24, -25, -1):
        held.change(by)
    assert crossed == ["filled", "eased"]
    assert (held.full, held.total) == (False, 74)


def test_one_flow_holds_so_much_each_way_and_tells_once_when_it_may_hold_no_more() -> None:
    held = Held(DEFAULT_LIMITS.held)
    (flow,) = flows_of(held, 1, "stall from client", "stall from server", limits=Limits(flow_held=1 << 20))
    told: list[object] = []
    for _ in range(20):
        told += [c.fact for leg in LEGS for c in push(flow, held, leg) if isinstance(c, Note)]

    assert told == [LimitReached(Limit.FLOW_HELD, 1 << 20)] * 2
    assert all(flow.passage(leg).credit == 0 for leg in LEGS)
    assert 2 << 20 <= held.total <= (2 << 20) + 20 * 256


def test_what_waits_at_a_gate_counts_too() -> None:
    held = Held(LIMIT)
    late = rule(AtOpen(), arm("latency 1s from client"), name="p/late")
    offset = rule(AtBytes(CLIENT, 10), arm("stall from client"), name="p/offset")
    flow = Flow((late, offset), commons=Commons(Dice.seeded(0), held=held))
    flow.handle(Opened(), 0.0)
    flow.handle(Arrived(CLIENT, Bytes(bytes(1000))), 0.0)
    assert held.total == 1000 + 256
    flow.handle(Woke(), 1.0)  # ten of them go on; the others wait at the gate
    assert held.total == 990 + 256
    flow.handle(Flushed(SERVER), 1.0)  # now the others are stalled
    assert held.total == 990 + 256
    flow.handle(Woke(), 1.0 + DEFAULT_LIMITS.fault)
    assert held.total == 0


def test_a_flow_that_the_relay_gives_up_holds_nothing_any_more() -> None:
    held = Held(LIMIT)
    (flow,) = flows_of(held, 1, "stall from client")
    push(flow, held, CLIENT, 1000)
    assert held.total == 1256

    flow.abandon()

    assert held.total == 0


def test_flows_that_rules_end_hold_nothing_any_more() -> None:
    held = Held(LIMIT)
    ends = rule(AtOpen(), arm("stall from client"), Wait(2.0), arm("reset both"))
    flow = Flow((ends,), commons=Commons(Dice.seeded(0), held=held))
    flow.handle(Opened(), 0.0)
    flow.handle(Arrived(CLIENT, Bytes(bytes(1000))), 0.0)
    assert held.total == 1256
    flow.handle(Woke(), 2.0)
    assert flow.over
    assert (held.total, flow.discarded) == (0, 1000)
