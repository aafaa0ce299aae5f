"""`slice`: a stream that arrives in small pieces."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, ClassVar

from pydantic import Field

from bustedwall.faults.fault import Damage, LastingFault, Page, Shared
from bustedwall.faults.holding import Holding
from bustedwall.terms.dice import Dice
from bustedwall.terms.items import Bytes, Item
from bustedwall.terms.leg import Leg
from bustedwall.terms.units import Duration, Size

_ROOM = 64 << 10
"""Bytes that may wait to be cut: each becomes a write of its own, and the smallest piece is a byte."""


class Slicer(Holding):
    """Cuts bytes into pieces at fixed offsets; with a delay, one leaves after the other."""

    __slots__ = ("_delay", "_dues", "_last", "_offset", "_size")

    def __init__(self, size: int, delay: float) -> None:
        super().__init__(_ROOM)
        self._size = size
        self._delay = delay
        self._offset = 0
        self._dues: deque[float] = deque()
        self._last = float("-inf")

    def feed(self, item: Item, now: float) -> Iterable[Item]:
        """Cut the item; return what may leave at once."""
        pieces = self._cut(item) if isinstance(item, Bytes) else [item]
        if not self._delay:
            return pieces
        for piece in pieces:
            self._last = max(now, self._last + (self._delay if isinstance(piece, Bytes) else 0))
            self._dues.append(self._last)
            self.queue.append(piece)
            # By their bytes alone: what was read together and cut must not close the window on its own.
            self.load += len(piece.data) if isinstance(piece, Bytes) else 0
        return self.release(now)

    def release(self, now: float) -> Iterable[Item]:
        """Return the pieces whose turn has come."""
        out: list[Item] = []
        while self._dues and self._dues[0] <= now:
            self._dues.popleft()
            out.append(self.take())
        return out

    def take(self) -> Item:
        """Take the first piece out."""
        piece = self.queue.popleft()
        self.load -= len(piece.data) if isinstance(piece, Bytes) else 0
        return piece

    def drain(self) -> Iterable[Item]:
        """Return all pieces."""
        self._dues.clear()
        return super().drain()

    def due(self) -> float | None:
        """Return when the next piece may leave."""
        return self._dues[0] if self._dues else None

    def room(self) -> int:
        """Return how many bytes may be read: never many at once, because each can become a write."""
        return max(0, self.limit - self.load)

    def _cut(self, item: Bytes) -> list[Item]:
        first = self._size - self._offset % self._size
        self._offset += len(item.data)
        cuts = [0, *range(first, len(item.data), self._size), len(item.data)]
        return [Bytes(item.data[a:b], item.lost) for a, b in pairwise(cuts)]


class SliceFault(LastingFault):
    """Send what one side sends in small writes."""

    word: ClassVar[str] = "slice"
    value: ClassVar[str] = "size"
    page: ClassVar[Page] = Page(
        summary="Send what one side sends in small pieces.",
        examples=("slice: 1B from server", "slice: 10B from client", "slice: {size: 100B, from: server, delay: 10ms}"),
        wire="Each piece is a write of its own, and, as TCP_NODELAY is set, mostly a segment of its own.",
        client="recv returns less than was sent together; a program that takes one recv for one message breaks here.",
        server="The same, where the client's bytes are sliced.",
        healing="What is held goes out at once, in order.",
        faithful="exact where the pieces have a delay. Without one the receiver's kernel may have several pieces ready "
        "when the program reads.",
        source="RFC 9293 §3.7: a segment border means nothing to the receiver; RFC 1122 §4.2.3.4 (Nagle)",
    )

    size: Annotated[Size, Field(ge=1)]
    """Bytes of a piece; pieces are cut at multiples of it, counted from when the fault began."""
    source: Annotated[Leg, Field(alias="from")]
    """Whose bytes are cut."""
    delay: Annotated[Duration, Field(le=3600)] = 0.0
    """Time between two pieces."""

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return a slicer for one direction."""
        return Damage(stages={self.source: Slicer(self.size, self.delay)})
