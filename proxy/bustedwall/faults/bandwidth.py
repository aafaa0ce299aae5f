"""`bandwidth`: a narrow pipe, for one flow or for all together.

Bytes leave in small quanta, each when the pipe has had the time to carry it. The pipe is a clock: it
says when it is free again. Flows that share one ask it for one quantum each and get in line, so
they take turns and none gets more than its share.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Annotated, ClassVar

from pydantic import Field

from bustedwall.faults.fault import Damage, LastingFault, Page, Shared
from bustedwall.faults.holding import Holding, weight
from bustedwall.terms.dice import Dice
from bustedwall.terms.items import Bytes, Item
from bustedwall.terms.leg import Leg
from bustedwall.terms.units import Rate, Size

QUANTUM = 0.01
"""Seconds' worth of bytes that leave together."""

_LARGEST = 64 << 10
_LEAST_HELD = 64 << 10


class Pipe:
    """Carries so many bytes per second, whoever they are from."""

    __slots__ = ("_burst", "_free", "rate")

    def __init__(self, rate: float, burst: int) -> None:
        self.rate = rate
        """Bytes per second."""
        self._burst = burst / rate
        self._free = float("-inf")
        """When all that was promised has been carried."""

    def carry(self, count: int, since: float) -> float:
        """Take so many bytes that were there at a time; return when they have been carried."""
        self._free = max(self._free, since - self._burst) + count / self.rate
        return self._free


class Shaper(Holding):
    """Lets bytes out as its pipe carries them."""

    __slots__ = ("_due", "_pipe", "_quantum")

    def __init__(self, pipe: Pipe) -> None:
        super().__init__(int(max(_LEAST_HELD, pipe.rate)))
        self._pipe = pipe
        self._quantum = int(min(_LARGEST, max(1, pipe.rate * QUANTUM)))
        self._due: float | None = None
        """When the first quantum, which the pipe has taken, is through."""

    def feed(self, item: Item, now: float) -> Iterable[Item]:
        """Put the item in line; an ending behind nothing goes on at once, and so does what a burst lets through."""
        self.put(item)
        return () if self._due is not None else [*self._move(now, now), *self.release(now)]

    def release(self, now: float) -> Iterable[Item]:
        """Return what is through, and what should have been by now."""
        out: list[Item] = []
        while self._due is not None and self._due <= now:
            through, self._due = self._due, None
            out.append(self._take_quantum())
            out += self._move(through, now)
        return out

    def drain(self) -> Iterable[Item]:
        """Return everything."""
        self._due = None
        return super().drain()

    def due(self) -> float | None:
        """Return when the next quantum is through."""
        return self._due

    def _move(self, since: float, now: float) -> list[Item]:
        """Have the pipe take the next quantum; return the endings that stand before it."""
        out: list[Item] = []
        while self.queue:
            first = self.queue[0]
            if isinstance(first, Bytes):
                self._due = self._pipe.carry(min(self._quantum, len(first.data)), since)
                break
            out.append(self.take())
        return out

    def _take_quantum(self) -> Item:
        first = self.take()
        assert isinstance(first, Bytes)
        if len(first.data) <= self._quantum:
            return first
        rest = Bytes(first.data[self._quantum :])
        self.queue.appendleft(rest)
        self.load += weight(rest)
        return Bytes(first.data[: self._quantum], first.lost)


class BandwidthFault(LastingFault):
    """Let only so many bytes per second through, one way."""

    word: ClassVar[str] = "bandwidth"
    value: ClassVar[str] = "rate"
    page: ClassVar[Page] = Page(
        summary="Let only so many bytes per second through, one way.",
        examples=(
            "bandwidth: 64KiB/s from server",
            "bandwidth: 10Mbit/s from client",
            "bandwidth: {rate: 1MB/s, from: server, shared: true}",
            "bandwidth: {rate: 100kB/s, from: server, burst: 256KiB}",
        ),
        wire="Data leaves in portions of 10 ms. At most one second's worth is held, at least 64 KiB; then the source "
        "is not read, and its window closes.",
        client="`from server`: the answer trickles. `from client`: send blocks once the buffers are full.",
        server="The mirror image.",
        healing="What is held goes out at once, in order.",
        faithful="approximate: bytes are paced, not segments; a write of our kernel may leave as several segments at "
        "once.",
        source="a token bucket as tc-tbf(8) has it; accuracy in docs/performance.md",
    )

    rate: Annotated[Rate, Field(gt=0)]
    """Bytes per second that pass: `64KiB/s`, `1MB/s`, `10Mbit/s`."""
    source: Annotated[Leg, Field(alias="from")]
    """Whose bytes are slowed."""
    shared: Annotated[bool, Field(strict=True)] = False
    """Whether all flows of the proxy share one pipe; they take turns."""
    burst: Size = 0
    """Bytes that pass at once after a silence."""

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return a shaper, on a pipe of its own or on the common one."""
        make = partial(Pipe, self.rate, self.burst)
        return Damage(stages={self.source: Shaper(shared.get(make) if self.shared else make())})
