"""`latency`: a delay line, as a long or congested path has."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import Enum
from itertools import pairwise
from statistics import NormalDist
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from bustedwall.faults.fault import Damage, LastingFault, Page, Shared
from bustedwall.faults.holding import Holding
from bustedwall.terms.dice import Dice
from bustedwall.terms.items import Bytes, Item
from bustedwall.terms.leg import Leg
from bustedwall.terms.units import Duration, Fraction

BLOCK = 16 << 10
"""Bytes of the stream that have one draw: the same byte is as late however the stream is cut into chunks."""


class Distribution(Enum):
    """How the delay varies."""

    NORMAL = "normal"
    UNIFORM = "uniform"


class DelayLine(Holding):
    """Holds each item for the same time."""

    __slots__ = ("_delay", "_dues")

    def __init__(self, delay: float) -> None:
        super().__init__()
        self._delay = delay
        self._dues: deque[float] = deque()

    def feed(self, item: Item, now: float) -> Iterable[Item]:
        """Hold the item until it has aged."""
        self.put(item)
        self._dues.append(now + self._delay)
        return ()

    def release(self, now: float) -> Iterable[Item]:
        """Return what has aged enough."""
        out: list[Item] = []
        while self._dues and self._dues[0] <= now:
            self._dues.popleft()
            out.append(self.take())
        return out

    def drain(self) -> Iterable[Item]:
        """Return everything, aged or not."""
        self._dues.clear()
        return super().drain()

    def due(self) -> float | None:
        """Return when the oldest item has aged enough."""
        return self._dues[0] if self._dues else None


class UnevenLine(DelayLine):
    """Holds each block of the stream for a time of its own; nothing overtakes."""

    __slots__ = ("_dice", "_fault", "_offset")

    def __init__(self, fault: LatencyFault, dice: Dice) -> None:
        super().__init__(fault.delay)
        self._fault = fault
        self._dice = dice
        self._offset = 0

    def feed(self, item: Item, now: float) -> Iterable[Item]:
        """Hold the item, cut at the borders of blocks."""
        for part in self._cut(item):
            due = now + self._fault.drawn(self._dice, self._offset // BLOCK)
            self._dues.append(max(due, self._dues[-1]) if self._dues else due)
            self.put(part)
            self._offset += len(part.data) if isinstance(part, Bytes) else 0
        return ()

    def _cut(self, item: Item) -> Iterable[Item]:
        if not isinstance(item, Bytes):
            return (item,)
        first = BLOCK - self._offset % BLOCK
        cuts = [0, *range(first, len(item.data), BLOCK), len(item.data)]
        return [Bytes(item.data[a:b], item.lost) for a, b in pairwise(cuts)]


class LatencyFault(LastingFault):
    """Delay what one side sends; FIN and RST wait behind their bytes."""

    word: ClassVar[str] = "latency"
    value: ClassVar[str] = "delay"
    page: ClassVar[Page] = Page(
        summary="Delay what one side sends.",
        examples=(
            "latency: 100ms from server",
            "latency: {delay: 100ms, from: client, jitter: 20ms}",
            "latency: {delay: 50ms, from: server, jitter: 50ms, distribution: uniform}",
            "latency: {delay: 10ms, from: server, spikes: 1%, spike: 2s}",
        ),
        wire="Our kernel ACKs at once; the other leg's segments leave later, in order, FIN and RST behind their bytes.",
        client="Each answer comes later. The round trip that TCP measures does not change, that of the program does. "
        "Throughput is not limited below `limits.flow_held` (16 MiB) per delay.",
        server="Each request comes later, where the client's bytes are delayed.",
        healing="What is held goes out at once, in order.",
        faithful="approximate: a terminating proxy delays bytes, not segments; the handshake and the ACKs are as quick "
        "as before, and so is the growth of TCP's window.",
        source="tc-netem(8) for what jitter means; measured error 0.6 ms, sd 0.1 ms at 100 ms",
    )

    delay: Annotated[Duration, Field(le=3600)]
    """How long each byte is held, up to 1h."""
    source: Annotated[Leg, Field(alias="from")]
    """Whose bytes are held."""
    jitter: Annotated[Duration, Field(le=3600)] = 0.0
    """How much the delay varies: the standard deviation of `normal`, the half width of `uniform`; never below 0 s."""
    distribution: Distribution = Distribution.NORMAL
    """How it varies: `normal` or `uniform`; drawn for each 16 KiB of the stream."""
    spikes: Fraction = 0.0
    """The share of 16 KiB blocks that are held longer, by `spike`."""
    spike: Annotated[Duration, Field(le=3600)] = 1.0
    """How much longer."""

    @model_validator(mode="after")
    def _varies(self) -> Self:
        for setting, without in (("spike", "spikes"), ("distribution", "jitter")):
            if setting in self.model_fields_set and not getattr(self, without):
                what = "'{setting}' means nothing without '{without}'"
                raise PydanticCustomError("varies", what, {"setting": setting, "without": without})
        return self

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return a delay line for one direction."""
        even = not self.jitter and not self.spikes
        return Damage(stages={self.source: DelayLine(self.delay) if even else UnevenLine(self, dice)})

    def drawn(self, dice: Dice, block: int) -> float:
        """Return the delay of one block of the stream."""
        delay = self.delay
        if self.jitter:
            draw = dice.fraction("jitter", block)
            if self.distribution is Distribution.UNIFORM:
                delay += self.jitter * (2 * draw - 1)
            else:
                delay += self.jitter * NormalDist().inv_cdf(min(max(draw, 1e-12), 1 - 1e-12))
        if self.spikes and dice.fraction("spike", block) < self.spikes:
            delay += self.spike
        return max(0.0, delay)
