"""Damage that comes and goes: bursts of loss, drawn from the seed, on a flow's own clock.

How long spells last is exponential, as between the two states of Gilbert's model (Bell System Technical
Journal 39, 1960): mean and deviation are equal, and half of them are shorter than ln 2 of the mean.
"""

from __future__ import annotations

from itertools import accumulate
from math import log
from statistics import fmean, pstdev

import pytest
from tests.flow.play import CLIENT, SERVER, arm, play, rule

from bustedwall.faults.fault import Shared
from bustedwall.flow.flow import Flow
from bustedwall.policy.rules import Arm, AtOpen, Heal, Wait
from bustedwall.terms.commands import Note, Reset, Send, SetLoss
from bustedwall.terms.dice import Dice
from bustedwall.terms.events import Arrived, Opened, Woke
from bustedwall.terms.facts import FaultArmed, FaultEnded, RuleFired
from bustedwall.terms.items import Bytes
from bustedwall.terms.losses import NO_LOSS, Loss, Losses, Way, What
from bustedwall.terms.passage import OPEN_ROAD
from bustedwall.terms.spells import Spells, is_bad
from bustedwall.testing.written import read

BURST = "burst: {good: 2s, bad: 200ms}"
ALL = f"drop: {{what: all, from: client, {BURST}}}"
ACKS = f"drop: {{what: acks, to: client, {BURST}}}"
FROM_CLIENT = frozenset({Loss(Way.FROM)})
TO_CLIENT = frozenset({Loss(Way.TO)})


def burst(text: str, span: float | None = None) -> Arm:
    """Return a step that does this fault, for so long."""
    return Arm(read(text), span)


def turns(name: str = "test/rule", step: int = 0, number: int = 0, count: int = 8) -> list[float]:
    """Return when the first spells of a flow's first step are over, of a fault that is armed at 0 s."""
    spells = Spells(2.0, 0.2, Dice.seeded(0).at(name, number, 1, step))
    return list(accumulate(spells.seconds(each) for each in range(count)))


@pytest.mark.parametrize(("first", "mean"), [(0, 2.0), (1, 0.2)])
def test_spells_are_exponential_around_their_means(first: int, mean: float) -> None:
    spells = Spells(2.0, 0.2, Dice.seeded(7))
    drawn = [spells.seconds(number) for number in range(first, 20_000, 2)]

    # Of 10,000: five standard errors, the mean's is 1 % of it, the deviation's 1.4 %, the share's 0.5 %.
    assert fmean(drawn) == pytest.approx(mean, rel=0.05)
    assert pstdev(drawn) == pytest.approx(mean, rel=0.07)
    assert sum(each < mean * log(2) for each in drawn) / len(drawn) == pytest.approx(0.5, abs=0.025)
    assert min(drawn) >= 0


def test_the_same_seed_gives_the_same_bursts_and_another_place_gives_others() -> None:
    def spells(dice: Dice) -> list[float]:
        given = read(ALL).arm(dice, Shared()).spells
        assert given is not None
        return [given.seconds(number) for number in range(10)]

    assert spells(Dice.seeded(1).at("a")) == spells(Dice.seeded(1).at("a"))
    assert not set(spells(Dice.seeded(1).at("a"))) & set(spells(Dice.seeded(1).at("b")))
    assert not set(spells(Dice.seeded(1).at("a"))) & set(spells(Dice.seeded(2).at("a")))


def test_all_passes_first_and_is_lost_in_every_second_spell() -> None:
    flow = Flow((rule(AtOpen(), burst(ALL)),))
    over = turns()

    play(flow, (0.0, Opened(), []))
    for number, when in enumerate(over):
        assert flow.deadline() == when
        play(flow, (when, Woke(), [SetLoss(CLIENT, NO_LOSS if is_bad(number) else FROM_CLIENT)]))
    assert flow.passage(CLIENT) == OPEN_ROAD


def test_a_late_timer_changes_nothing_but_the_moment() -> None:
    flow = Flow((rule(AtOpen(), burst(ALL)),))
    over = turns()

    play(flow, (0.0, Opened(), []))
    lost, healed = SetLoss(CLIENT, FROM_CLIENT), SetLoss(CLIENT, NO_LOSS)
    play(flow, (over[4], Woke(), [lost, healed, lost, healed, lost]))
    assert flow.deadline() == over[5]


def test_a_burst_beside_a_loss_that_stays_adds_its_share_and_takes_back_no_more() -> None:
    flow = Flow((rule(AtOpen(), burst("drop: all to client"), burst("drop: fin from client"), burst(ALL)),))
    over = turns(step=2)
    stays = TO_CLIENT | {Loss(Way.FROM, What.FIN)}

    play(
        flow,
        (0.0, Opened(), [SetLoss(CLIENT, TO_CLIENT), SetLoss(CLIENT, stays)]),
        (over[0], Woke(), [SetLoss(CLIENT, stays | FROM_CLIENT)]),
        (over[1], Woke(), [SetLoss(CLIENT, stays)]),
    )


def test_two_bursts_on_one_leg_are_a_union() -> None:
    first, second = (rule(AtOpen(), burst(ALL), name=f"test/{name}") for name in "ab")
    flow = Flow((first, second))
    events = sorted([(when, name) for name in "ab" for when in turns(f"test/{name}", count=40)])

    play(flow, (0.0, Opened(), []))
    bad, before, overlapped = {"a": False, "b": False}, NO_LOSS, False
    for when, name in events[:60]:
        bad[name] = not bad[name]
        overlapped = overlapped or all(bad.values())
        want: Losses = FROM_CLIENT if any(bad.values()) else NO_LOSS
        play(flow, (when, Woke(), [] if want == before else [SetLoss(CLIENT, want)]))
        before = want
    assert overlapped, "of 30 bursts with this seed some fall together, or the test shows nothing"


def test_while_acks_are_lost_in_a_burst_our_data_waits_and_leaves_behind_the_lifting() -> None:
    flow = Flow((rule(AtOpen(), burst(ACKS)),))
    over = turns()

    play(
        flow,
        (0.0, Opened(), []),
        (over[0] / 2, Arrived(SERVER, Bytes(b"before")), [Send(CLIENT, b"before")]),
        (over[0], Woke(), [SetLoss(CLIENT, TO_CLIENT)]),
        ((over[0] + over[1]) / 2, Arrived(SERVER, Bytes(b"within")), []),
        (over[1], Woke(), [SetLoss(CLIENT, NO_LOSS), Send(CLIENT, b"within")]),
        (over[2], Woke(), [SetLoss(CLIENT, TO_CLIENT)]),
        ((over[2] + over[3]) / 2, Arrived(SERVER, Bytes(b"again")), []),
        (over[3], Woke(), [SetLoss(CLIENT, NO_LOSS), Send(CLIENT, b"again")]),
    )
    assert flow.passage(SERVER) == OPEN_ROAD


@pytest.mark.parametrize("text", [ALL, ACKS])
@pytest.mark.parametrize("spell", [0, 1])
def test_its_time_is_over_in_a_good_or_a_bad_spell(text: str, spell: int) -> None:
    over = turns()
    span = sum(over[:2]) / 2 if spell else over[0] / 2
    flow = Flow((rule(AtOpen(), burst(text, span)),))
    lost = FROM_CLIENT if text == ALL else TO_CLIENT

    play(flow, (0.0, Opened(), []))
    if spell:
        play(flow, (over[0], Woke(), [SetLoss(CLIENT, lost)]))
    play(flow, (span, Woke(), [SetLoss(CLIENT, NO_LOSS)] if spell else []))
    assert flow.deadline() is None
    assert flow.passage(SERVER) == OPEN_ROAD


@pytest.mark.parametrize("text", [ALL, ACKS])
def test_heal_ends_it_in_a_good_spell_too(text: str) -> None:
    over = turns()
    flow = Flow((rule(AtOpen(), burst(text), Wait(over[0] / 2), Heal()),))

    play(flow, (0.0, Opened(), []), (over[0] / 2, Woke(), []), (over[1], Woke(), []))
    assert flow.deadline() is None


def test_it_is_armed_once_and_ended_once_however_many_bursts_there_are() -> None:
    over = turns()
    flow = Flow((rule(AtOpen(), burst(ALL, span := sum(over[4:6]) / 2)),))

    facts = [command.fact for command in flow.handle(Opened(), 0.0) if isinstance(command, Note)]
    assert flow.armed == [("test/rule", str(read(ALL)))]
    facts += [command.fact for command in flow.handle(Woke(), span) if isinstance(command, Note)]
    fault = str(read(ALL))
    assert [fact for fact in facts if not isinstance(fact, RuleFired)] == [
        FaultArmed("test/rule", fault, to_prove=True),
        FaultEnded("test/rule", fault, "its time is over"),
    ]


def test_a_reset_in_a_burst_is_heard_and_no_burst_comes_after_it() -> None:
    over = turns()
    steps = (burst(f"drop: {{what: all, to: client, {BURST}}}"), Wait(sum(over[:2]) / 2), arm("reset client"))
    flow = Flow((rule(AtOpen(), *steps),))

    play(
        flow,
        (0.0, Opened(), []),
        (over[0], Woke(), [SetLoss(CLIENT, TO_CLIENT)]),
        (sum(over[:2]) / 2, Woke(), [SetLoss(CLIENT, NO_LOSS), Reset(CLIENT)]),
        (over[2], Woke(), []),
    )


def test_a_fault_writes_its_burst_as_a_user_does() -> None:
    assert str(read(ALL)) == f"drop {{what: all, from: client, {BURST}}}"


def test_a_burst_is_kept_by_the_nearest_fault_that_needs_nothing() -> None:
    nearest = read(f"drop: {{what: data, from: client, {BURST}}}").approximation()
    assert str(nearest) == f"drop {{what: all, from: client, {BURST}}}"
