"""What can still happen on a leg, as a table.

A leg is a TCP connection seen from us, and what matters of it is who may still send:

    OPEN ── their FIN ──> PEER_DONE ── our FIN ──> DONE
      └──── our FIN ────> WE_DONE ── their FIN ──> DONE
    any of these ── its end ──> ENDED

Its end is a RST, theirs or ours, or that we close it or make it vanish. DONE and ENDED are final:
nothing more leaves. A DONE leg may still end, because its last
bytes can be on their way for long, where segments are lost. A move that is not in the table is a bug
of ours and raises AssertionError; what a peer does wrong the kernel has already turned into a RST.
"""

from __future__ import annotations

from enum import Enum


class LegState(Enum):
    """How far a leg has come."""

    OPEN = "open"
    PEER_DONE = "peer-done"
    WE_DONE = "we-done"
    DONE = "done"
    ENDED = "ended"

    __hash__ = object.__hash__  # members are single; Enum's own hash is a Python call


class Move(Enum):
    """What can happen to a leg."""

    THEIR_FIN = "their-fin"
    OUR_FIN = "our-fin"
    END = "end"

    __hash__ = object.__hash__  # as above


MOVES: dict[tuple[LegState, Move], LegState] = {
    (LegState.OPEN, Move.THEIR_FIN): LegState.PEER_DONE,
    (LegState.OPEN, Move.OUR_FIN): LegState.WE_DONE,
    (LegState.OPEN, Move.END): LegState.ENDED,
    (LegState.PEER_DONE, Move.OUR_FIN): LegState.DONE,
    (LegState.PEER_DONE, Move.END): LegState.ENDED,
    (LegState.WE_DONE, Move.THEIR_FIN): LegState.DONE,
    (LegState.WE_DONE, Move.END): LegState.ENDED,
    (LegState.DONE, Move.END): LegState.ENDED,
}

READABLE = frozenset({LegState.OPEN, LegState.WE_DONE})
"""Where the peer may still send."""

WRITABLE = frozenset({LegState.OPEN, LegState.PEER_DONE})
"""Where we may still send."""

FINAL = frozenset({LegState.DONE, LegState.ENDED})
"""Where nothing more leaves."""


def after(state: LegState, move: Move) -> LegState:
    """Return the state that a move leads to."""
    assert (state, move) in MOVES, f"a leg that is {state.value} cannot see {move.value}"
    return MOVES[state, move]
