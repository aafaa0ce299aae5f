"""What holds for any rules, faults, bytes, chunks, timing, and any change of policies meanwhile."""

from __future__ import annotations

from random import Random
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.flow.anything import MOMENTS, counts_all, faults, keeps_all, legs, policies, said
from tests.flow.play import arm, rule

from bustedwall.faults import registry
from bustedwall.faults.fault import Fault
from bustedwall.flow.commons import Commons
from bustedwall.flow.flow import Flow
from bustedwall.flow.lifecycle import READABLE
from bustedwall.flow.orders import RuleCalled, RulesChanged
from bustedwall.policy.rules import Arm, AtBytes, AtOpen, FlowMoment, PolicyMoment, Rule
from bustedwall.terms.dice import Dice
from bustedwall.terms.events import Arrived, Opened
from bustedwall.terms.facts import FlushGaveUp, ResetSent, RuleFired
from bustedwall.terms.items import FIN, RST, Bytes, Fin, Rst
from bustedwall.terms.leg import Leg
from bustedwall.terms.limits import DEFAULT_LIMITS
from bustedwall.terms.losses import NO_LOSS, Loss, Way
from bustedwall.terms.passage import OPEN_ROAD
from bustedwall.testing.simulated import Pretended, SimulatedRelay

ALL = faults()
LOSSLESS = tuple(fault for fault in ALL if keeps_all(fault))
COUNTING = tuple(fault for fault in ALL if counts_all(fault))

dice = st.integers(0, 2**32).map(Random)
finished = st.sampled_from([FIN, None])
ended = st.sampled_from([FIN, None, RST])


@st.composite
def changes(draw: st.DrawFn, chosen: tuple[object, ...]) -> list[tuple[Rule, ...]]:
    """Return what the rules are one after the other: some stay, some come, some go, in any order."""
    rules = draw(policies(chosen))  # type: ignore[arg-type]
    found = [rules]
    for _ in range(draw(st.integers(0, 2))):
        kept = [each for each in found[-1] if draw(st.booleans())]
        new = [each for each in draw(policies(chosen, 2)) if each.name not in {old.name for old in kept}]  # type: ignore[arg-type]
        found.append(tuple(draw(st.permutations(kept + new))))
    return found


def orders(found: list[tuple[Rule, ...]], chance: Random) -> list[RulesChanged | RuleCalled]:
    """Return the changes, with calls of the policies' rules in between."""
    told: list[RulesChanged | RuleCalled] = []
    for number, rules in enumerate(found):
        told += [RulesChanged(rules)] if number else []
        called = [each for each in rules if each.of_policy]
        told += [RuleCalled(each) for each in called * 2 if chance.random() < 0.7]
    return told


def relay(
    found: list[tuple[Rule, ...]], client: Pretended, server: Pretended, chance: Random, *, upstream: bool = True
) -> SimulatedRelay:
    flow = Flow(found[0], commons=Commons(Dice.seeded(7)), number=1)
    return SimulatedRelay(flow, client, server, chance, orders(found, chance), upstream=upstream)


def disarm(of: SimulatedRelay) -> None:
    """Take all rules away and let the flow come to rest; it is as if there had never been any."""
    of.tell(RulesChanged(()))
    of.go_on()
    flow = of.flow
    assert all(direction.held() == direction.weight() == 0 for direction in flow._directions.values())
    assert flow._commons.held.total == 0
    if flow.over:
        return
    assert not any(direction.stages or direction.waiters for direction in flow._directions.values())
    assert not flow._scripts.runs
    assert all(of.losses[leg] == NO_LOSS for leg in Leg if not of.ends[leg].gone)
    for leg in Leg:
        open_still = flow._legs.states[leg] in READABLE
        assert flow.passage(leg) == OPEN_ROAD or not open_still


def endings(of: SimulatedRelay) -> tuple[str | None, ...]:
    """Return how the server's and the client's leg ended, but for one whose FIN was lost until `limits.orphan`."""
    lost = {fact.leg for fact in of.facts if isinstance(fact, ResetSent) and fact.cause == "limits.orphan"}
    return tuple("FIN" if leg in lost else of.ends[leg].got_ending for leg in (Leg.SERVER, Leg.CLIENT))


def test_every_fault_and_every_moment_is_tried() -> None:
    assert {fault.word for fault in ALL} == set(registry())
    assert set(MOMENTS) == {*get_args(FlowMoment), *get_args(PolicyMoment)}


MOST_HELD = DEFAULT_LIMITS.flow_held + (256 << 10) + 65 * 256
"""What one direction holds, and one read of the relay more."""


@pytest.mark.parametrize("fault", [fault for fault in ALL if not fault.at_door], ids=str)
def test_what_is_held_is_bounded_by_what_the_passage_lets_in(fault: Fault) -> None:
    flow = Flow((rule(AtOpen(), Arm(fault)),))
    flow.handle(Opened(), 0.0)
    for leg in Leg:
        for _ in range(100):
            passage = flow.passage(leg)
            free = 256 << 10 if passage.credit is None else min(passage.credit, 256 << 10)
            if not passage.look or not free or flow._legs.states[leg] not in READABLE:
                break
            flow.handle(Arrived(leg, Bytes(bytes(free))), 0.0)
            if not flow._directions[leg].held():
                break  # it holds nothing
        assert flow._directions[leg].held() <= MOST_HELD


@settings(max_examples=250)
@given(changes(LOSSLESS), said, said, finished, finished, dice)
def test_lossless_faults_keep_bytes_their_order_and_the_endings(
    found: list[tuple[Rule, ...]], asked: bytes, answered: bytes, one: Fin | None, other: Fin | None, chance: Random
) -> None:
    client, server = Pretended(asked, one), Pretended(answered, other)
    of = relay(found, client, server, chance)

    of.run()
    disarm(of)

    assert (server.got, client.got) == (asked, answered)
    assert endings(of) == ("FIN" if one else None, "FIN" if other else None)
    assert of.flow.over == bool(one and other)
    assert of.flow.discarded == of.thrown_away == 0


@settings(max_examples=200)
@given(changes(LOSSLESS), said, said, ended, dice)
def test_a_rst_arrives_behind_the_bytes_before_it(
    found: list[tuple[Rule, ...]], asked: bytes, answered: bytes, other: Fin | Rst | None, chance: Random
) -> None:
    client, server = Pretended(asked, RST), Pretended(answered, other)
    of = relay(found, client, server, chance)

    of.run()
    disarm(of)

    assert of.flow.over
    assert answered.startswith(client.got)
    assert of.taken == len(client.got + server.got) + of.flow.discarded + of.thrown_away
    if not isinstance(other, Rst) and not any(isinstance(fact, FlushGaveUp) for fact in of.facts):
        assert (server.got, server.got_ending) == (asked, "RST")


def account(
    found: list[tuple[Rule, ...]],
    sides: tuple[tuple[bytes, Fin | Rst | None], tuple[bytes, Fin | Rst | None]],
    chance: Random,
    *,
    upstream: bool,
) -> int:
    """Have a conversation; require that each byte is passed or counted; return how many events it was."""
    client, server = (Pretended(*side) for side in sides)
    of = relay(found, client, server, chance, upstream=upstream)

    of.run()
    disarm(of)

    (asked, _), (answered, _) = sides
    assert asked.startswith(server.got)
    assert answered.startswith(client.got)
    assert of.taken == len(client.got + server.got) + of.flow.discarded + of.thrown_away
    return of.told


@settings(max_examples=400)
@given(changes(COUNTING), said, said, ended, ended, dice, st.integers(0, 9))
def test_each_byte_is_passed_or_counted_and_nothing_leaves_after_an_ending(
    found: list[tuple[Rule, ...]],
    asked: bytes,
    answered: bytes,
    one: Fin | Rst | None,
    other: Fin | Rst | None,
    chance: Random,
    upstream: int,
) -> None:
    account(found, ((asked, one), (answered, other)), chance, upstream=upstream > 0)


@settings(max_examples=400)
@given(changes(ALL), said, said, ended, ended, dice)
def test_any_faults_end_and_leave_the_legs_as_found(
    found: list[tuple[Rule, ...]],
    asked: bytes,
    answered: bytes,
    one: Fin | Rst | None,
    other: Fin | Rst | None,
    chance: Random,
) -> None:
    of = relay(found, Pretended(asked, one), Pretended(answered, other), chance)

    of.run()
    disarm(of)


@settings(max_examples=200)
@given(
    policies(LOSSLESS),
    st.builds(AtBytes, legs, st.integers(1, 50)),
    st.sampled_from([(), ("drop all to {}",)]),
    said,
    said,
    dice,
)
def test_a_reset_lets_exactly_the_bytes_out_that_its_offset_names(
    rules: tuple[Rule, ...], when: AtBytes, loss: tuple[str, ...], asked: bytes, answered: bytes, chance: Random
) -> None:
    """Whatever stages hold meanwhile: they hold bytes that have not passed."""
    target = when.source.other
    steps = [arm(step.format(target.value)) for step in (*loss, "reset {}")]
    ends = {Leg.CLIENT: Pretended(asked, FIN), Leg.SERVER: Pretended(answered, FIN)}
    sent = {Leg.CLIENT: asked, Leg.SERVER: answered}[when.source]
    of = relay([(rule(when, *steps, name="test/cut"), *rules)], ends[Leg.CLIENT], ends[Leg.SERVER], chance)

    of.run()
    reached = any(isinstance(fact, RuleFired) and fact.rule == "test/cut" for fact in of.facts)
    disarm(of)

    assert ends[target].got == (sent[: when.count] if reached else sent)
    assert (ends[target].got_ending == "RST") if reached else (endings(of) == ("FIN", "FIN"))
    assert not reached or Loss(Way.TO) not in of.losses[target], "nobody would hear the RST"
