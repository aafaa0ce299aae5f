"""`latency`: a delay line, as a long or congested path has."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import Field

from bustedwall.faults.fault import Damage, LastingFault, Stage
from bustedwall.terms.items import Bytes, Item
from bustedwall.terms.leg import Leg
from bustedwall.terms.units import Duration

HOLD = 16 << 20
"""Bytes that one delay line holds before the source is no longer read: 160 MB/s at 100 ms."""

ITEM = 256
"""What one held item costs beside its bytes, so that many small ones are bounded too."""


class DelayLine(Stage):
    """Holds each item for the same time."""

    __slots__ = ("_delay", "_held", "_queue")

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._queue: deque[tuple[float, Item]] = deque()
        self._held = 0

    def feed(self, item: Item, now: float) -> Iterable[Item]:
        """Hold the item until it has aged."""
        self._queue.append((now + self._delay, item))
        self._held += _weight(item)
        return ()

    def release(self, now: float) -> Iterable[Item]:
        """Return what has aged enough."""
        out: list[Item] = []
        while self._queue and self._queue[0][0] <= now:
            out.append(self._pop())
        return out

    def drain(self) -> Iterable[Item]:
        """Return everything, aged or not."""
        out: list[Item] = []
        while self._queue:
            out.append(self._pop())
        return out

    def due(self) -> float | None:
        """Return when the oldest item has aged enough."""
        return self._queue[0][0] if self._queue else None

    def room(self) -> int:
        """Return what is left of HOLD."""
        return HOLD - self._held

    def _pop(self) -> Item:
        item = self._queue.popleft()[1]
        self._held -= _weight(item)
        return item


def _weight(item: Item) -> int:
    return ITEM + (len(item.data) if isinstance(item, Bytes) else 0)


class LatencyFault(LastingFault):
    """Delay what one side sends; FIN and RST wait behind their bytes.

    On the wire: our kernel ACKs at once, the other leg's segments leave later. The round trip of
    the connection as TCP measures it does not change, the application's does: a terminating proxy
    delays bytes, not segments.
    The peer: each answer later by the delay. Throughput is not limited below 16 MiB per delay.
    Heal: what is held goes out at once, in order.
    """

    word: ClassVar[str] = "latency"
    value: ClassVar[str] = "delay"

    delay: Annotated[Duration, Field(le=3600)]
    """How long each byte is held, up to 1h."""
    source: Annotated[Leg, Field(alias="from")]
    """Whose bytes are held."""

    def arm(self) -> Damage:
        """Return a delay line for one direction."""
        return Damage(stages={self.source: DelayLine(self.delay)})
