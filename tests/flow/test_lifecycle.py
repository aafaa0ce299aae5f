"""The table of what can happen to a leg."""

from __future__ import annotations

from itertools import product

import pytest

from bustedwall.flow.lifecycle import FINAL, MOVES, LegState, Move, after

ALLOWED = {
    LegState.OPEN: {Move.THEIR_FIN, Move.OUR_FIN, Move.END},
    LegState.PEER_DONE: {Move.OUR_FIN, Move.END},
    LegState.WE_DONE: {Move.THEIR_FIN, Move.END},
    LegState.DONE: {Move.END},
    LegState.ENDED: set(),
}


@pytest.mark.parametrize(("state", "move"), list(product(LegState, Move)))
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
