"""The table of what can happen to a leg."""

from __future__ import annotations

from itertools import product

import pytest

from bustedwall.flow.lifecycle import FINAL, MOVES, LegState, Move, after

ALLOWED = {
    LegState.OPEN: {Move.THEIR_FIN, Move.OUR_FIN, Move.RST},
    LegState.PEER_DONE: {Move.OUR_FIN, Move.RST},
    LegState.WE_DONE: {Move.THEIR_FIN, Move.RST},
    LegState.DONE: set(),
    LegState.ENDED: set(),
}


@pytest.mark.parametrize(("state", "move"), list(product(LegState, Move)))
def test_a_leg_moves_as_the_table_says_or_not_at_all(state: LegState, move: Move) -> None:
    if move in ALLOWED[state]:
        assert after(state, move) is MOVES[state, move]
    else:
        with pytest.raises(AssertionError, match=f"{state.value} cannot see {move.value}"):
            after(state, move)


def test_nothing_leads_out_of_a_final_state() -> None:
    assert not {state for state, _ in MOVES} & FINAL


def test_a_rst_ends_a_leg_from_every_state_that_is_not_final() -> None:
    assert {after(state, Move.RST) for state in set(LegState) - FINAL} == {LegState.ENDED}
