"""The table of what can happen to a leg, walked alone and by a whole flow."""

from __future__ import annotations

from itertools import product

import pytest
from tests.flow.play import arm, rule

from bustedwall.flow.flow import Flow
from bustedwall.flow.lifecycle import FINAL, MOVES, LegState, Move, after
from bustedwall.flow.orders import RuleCalled
from bustedwall.policy.rules import AtOpen, AtSignal
from bustedwall.terms.commands import Command, Note, Reset, Shut
from bustedwall.terms.events import Arrived, Event, Opened
from bustedwall.terms.facts import Fact, ResetSent, StepMoot
from bustedwall.terms.items import FIN, RST
from bustedwall.terms.leg import Leg

ALLOWED = {
    LegState.OPEN: {Move.THEIR_FIN, Move.OUR_FIN, Move.END},
    LegState.PEER_DONE: {Move.OUR_FIN, Move.END},
    LegState.WE_DONE: {Move.THEIR_FIN, Move.END},
    LegState.DONE: {Move.END},
    LegState.ENDED: set(),
}
EVERY = list(product(LegState, Move))


@pytest.mark.parametrize(("state", "move"), EVERY)
def test_a_leg_moves_as_the_table_says_or_not_at_all(state: LegState, move: Move) -> None:
    if move in ALLOWED[state]:
        assert after(state, move) is MOVES[state, move]
    else:
        with pytest.raises(AssertionError, match=f"{state.value} cannot see {move.value}"):
            after(state, move)


def test_only_a_rst_leads_on_from_a_finished_leg_and_nothing_from_an_ended_one() -> None:
    assert {move for state, move in MOVES if state in FINAL} == {Move.END}
    assert LegState.ENDED not in {state for state, _ in MOVES}


def test_a_rst_ends_a_leg_from_every_other_state() -> None:
    assert {after(state, Move.END) for state in set(LegState) - {LegState.ENDED}} == {LegState.ENDED}


# ---- the same, through a flow


class Walk:
    """A flow with rules that can be called; losses keep it from being over while a leg is left to walk."""

    def __init__(self, leg: Leg) -> None:
        self.leg = leg
        self.half_close = rule(AtSignal("half"), arm(f"half_close {leg.value}"), name="test/half")
        self.reset = rule(AtSignal("reset"), arm(f"reset {leg.value}"), name="test/reset")
        losing = rule(AtOpen(), arm("drop all from client"), arm("drop all from server"), name="test/losing")
        self.flow = Flow((losing, self.half_close, self.reset))
        self.flow.handle(Opened(), 0.0)

    @property
    def state(self) -> LegState:
        return self.flow._legs.states[self.leg]

    def to(self, state: LegState) -> None:
        events: dict[LegState, tuple[Event, ...]] = {
            LegState.OPEN: (),
            LegState.PEER_DONE: (Arrived(self.leg, FIN),),
            LegState.WE_DONE: (Arrived(self.leg.other, FIN),),
            LegState.DONE: (Arrived(self.leg, FIN), Arrived(self.leg.other, FIN)),
            LegState.ENDED: (Arrived(self.leg, RST),),
        }
        for event in events[state]:
            self.flow.handle(event, 1.0)
        assert self.state is state

    def move(self, move: Move) -> list[Command]:
        events: dict[Move, Event | RuleCalled] = {
            Move.THEIR_FIN: Arrived(self.leg, FIN),
            Move.OUR_FIN: RuleCalled(self.half_close),
            Move.END: Arrived(self.leg, RST),
        }
        return self.flow.handle(events[move], 1.5)


def facts(commands: list[Command]) -> list[Fact]:
    return [command.fact for command in commands if isinstance(command, Note)]


@pytest.mark.parametrize("leg", Leg)
@pytest.mark.parametrize(("state", "move"), EVERY)
def test_a_flow_takes_each_leg_through_the_table_and_nowhere_else(leg: Leg, state: LegState, move: Move) -> None:
    walk = Walk(leg)
    walk.to(state)

    if move in ALLOWED[state]:
        said = walk.move(move)
        assert walk.state is MOVES[state, move]
        assert (Shut(leg) in said) == (move is Move.OUR_FIN)
    elif move is Move.OUR_FIN:
        assert StepMoot("test/half", f"half_close {leg.value}", leg) in facts(walk.move(move))
        assert walk.state is state
    elif state is LegState.ENDED:
        assert walk.move(move) == []  # it arrived in the very moment of the end
        assert walk.state is state
    else:
        with pytest.raises(AssertionError, match=f"{state.value} cannot see {move.value}"):
            walk.move(move)


@pytest.mark.parametrize("leg", Leg)
@pytest.mark.parametrize("state", LegState)
def test_a_flow_resets_each_leg_from_every_state_but_the_last(leg: Leg, state: LegState) -> None:
    walk = Walk(leg)
    walk.to(state)

    said = walk.flow.handle(RuleCalled(walk.reset), 1.5)

    assert walk.state is LegState.ENDED
    if state is LegState.ENDED:
        assert Reset(leg) not in said
        assert StepMoot("test/reset", f"reset {leg.value}", leg) in facts(said)
    else:
        assert Reset(leg) in said
        assert ResetSent(leg, "test/reset") in facts(said)
