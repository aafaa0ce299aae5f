"""What of the client's turns the server was sent, told once a turn is over.

A turn is what the moment `turn` means: it begins with the first byte of the client that passes the gate after
one of the server, and is over when the server begins to speak, or the flow has ended. What counts is what was
handed to the server's leg, behind all faults. That our kernel took it does not say that the server has read it;
that the server has said something since does, unless what we send is being lost.
"""

from __future__ import annotations

from hashlib import blake2b

from bustedwall.flow.direction import Direction
from bustedwall.flow.legs import Legs
from bustedwall.flow.out import Out
from bustedwall.terms.facts import TurnSent
from bustedwall.terms.leg import Leg

_DIGEST = 8
"""Bytes of a digest: among a million turns two different ones look the same once in 37 million runs."""


class Turns:
    """The turn of the client that is under way."""

    __slots__ = ("_answered", "_legs", "_lost", "_number", "_out", "_said", "_size")

    def __init__(self, legs: Legs, out: Out) -> None:
        self._legs = legs
        self._out = out
        self._said: blake2b | None = None
        """None: none is under way."""
        self._number = self._size = 0
        self._lost = False
        """What was sent last met a loss; perhaps it still waits for being sent again."""
        self._answered = False

    def looks_at(self, source: Leg) -> bool:
        """Tell whether bytes of a leg may begin or end a turn, or belong to one."""
        return source is Leg.CLIENT or self._said is not None

    def arrived(self) -> None:
        """Note that the server has said something, whether or not the client gets it."""
        if not (self._lost and self._legs.deaf(Leg.SERVER)):
            self._answered = True

    def passes(self, direction: Direction, data: bytes) -> None:
        """Take in bytes that leave the gate: the client's belong to its turn, the server's end it."""
        if direction.source is Leg.CLIENT:
            if self._said is None:
                self._said, self._number, self._size = blake2b(digest_size=_DIGEST), direction.turns, 0
            self._said.update(data)
            self._size += len(data)
            self._lost, self._answered = self._legs.deaf(Leg.SERVER), False
        elif (turn := self._end()) is not None:
            self._out.note(turn)

    def last(self, *, spoke: bool) -> TurnSent | None:
        """Return the turn that the end of the flow ends, if one is under way; `spoke`: the server did, to nobody."""
        if spoke and not self._lost:  # or perhaps it was then
            self._answered = True
        return self._end()

    def _end(self) -> TurnSent | None:
        said, self._said = self._said, None
        return None if said is None else TurnSent(self._number, self._size, said.hexdigest(), self._answered)
