"""`slice`: a stream that arrives in small pieces."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import Field

from bustedwall.faults.fault import Damage, LastingFault, Page, Shared
from bustedwall.faults.holding import Holding
from bustedwall.terms.dice import Dice
from bustedwall.terms.items import Bytes, Item
from bustedwall.terms.leg import Leg
from bustedwall.terms.units import Duration, Size

_ROOM = 64 << 10
"""Bytes that may wait to be cut, and that are read at once."""

_PIECES = 64
"""Pieces that are made of one read at most: each becomes a write of its own, and may have to wait."""


class Slicer(Holding):
    """Cuts bytes into pieces at fixed offsets; with a delay, one leaves after the other."""

    __slots__ = ("_arrived", "_at", "_delay", "_last", "_offset", "_size")

    def __init__(self, size: int, delay: float) -> None:
        super().__init__(_ROOM)
        self._size = size
        self._delay = delay
        self._offset = 0
        """Bytes that have been cut."""
        self._at = 0
        """How many of them are of the first item that is held."""
        self._arrived: deque[float] = deque()
        """When each item came."""
        self._last = float("-inf")

    def feed(self, item: Item, now: float) -> Iterable[Item]:
        """Cut the item, now or later; return what may leave at once."""
        self.put(item)
        self._arrived.append(now)
        return self.release(now)

    def release(self, now: float) -> Iterable[Item]:
        """Return the pieces whose turn has come."""
        out: list[Item] = []
        while (due := self.due()) is not None and due <= now:
            self._last = due
            out.append(self._take_piece())
        return out

    def drain(self) -> Iterable[Item]:
        """Return all that is left, in one piece for each item."""
        out: list[Item] = []
        while self.queue:
            first, at = self.take(), self._at
            out.append(Bytes(first.data[at:], first.lost) if isinstance(first, Bytes) and at else first)
            self._at = 0
        self._arrived.clear()
        return out

    def due(self) -> float | None:
        """Return when the next piece may leave; an ending leaves with the last one."""
        if not self.queue:
            return None
        return max(self._arrived[0], self._last + (self._delay if isinstance(self.queue[0], Bytes) else 0))

    def held(self) -> int:
        """Return how many bytes are in it."""
        return super().held() - self._at

    def room(self) -> int:
        """Return how many bytes may be read: never many pieces at once."""
        return max(0, min(self.limit - self.load, _PIECES * self._size))

    def _take_piece(self) -> Item:
        first = self.queue[0]
        if not isinstance(first, Bytes):
            self._arrived.popleft()
            return self.take()
        begin, end = self._at, self._at + self._size - self._offset % self._size
        piece = Bytes(first.data[begin:end], first.lost)
        self._offset += len(piece.data)
        if end < len(first.data):
            self._at = end
        else:
            self.take()
            self._arrived.popleft()
            self._at = 0
        return piece


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
