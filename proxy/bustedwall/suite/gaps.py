"""How a program comes back: the gaps between one connection and the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from bustedwall.suite.expected import Reconnects

FEWEST = 4
"""Gaps from which on something can be said of their growth, or of their jitter."""

GROWS = 1.5
"""How much longer the later half must be, by their medians, than the first."""

REGULAR = 0.02
"""Gaps are a clock's if each is a whole multiple of the shortest, or the power of two of it, but for so much of it."""

FLOOR = 0.005
"""Seconds: what differs by less is no jitter, but the machine's."""


def complaints(asked: Reconnects, accepted: Sequence[float]) -> Iterator[str]:
    """Yield what is wrong with connections that came at these times, in seconds."""
    gaps = [after - before for before, after in pairwise(accepted)]
    if not asked.count.allow(len(gaps)):
        yield f"it came back {_times(len(gaps))}, expected {asked.count}"
    if gaps and min(gaps) < asked.at_least:
        yield f"it came back after {min(gaps):.3f} s, expected no sooner than {asked.at_least:g} s"
    if not (asked.grow or asked.jitter):
        return
    if len(gaps) < FEWEST:
        yield f"it came back {_times(len(gaps))}: {FEWEST} gaps are needed to say whether they grow or have jitter"
        return
    if asked.grow and not grows(gaps):
        yield f"the gaps between its connections do not grow: {_listed(gaps)}"
    if asked.jitter and not has_jitter(gaps):
        yield f"the gaps between its connections have no jitter: {_listed(gaps)}"


def grows(gaps: Sequence[float]) -> bool:
    """Tell whether the later gaps are longer."""
    half = len(gaps) // 2
    return median(gaps[-half:]) >= GROWS * max(median(gaps[:half]), FLOOR)


def has_jitter(gaps: Sequence[float]) -> bool:
    """Tell whether the gaps are no clock's: not equal, and not whole multiples of the shortest."""
    shortest = max(min(gaps), FLOOR)
    room = max(REGULAR * shortest, FLOOR)
    off = [abs(gap - round(gap / shortest) * shortest) for gap in gaps]
    # A gap of many multiples hides a small jitter in the count of them; what a clock does, it does each time.
    return sum(one > room for one in off) > len(gaps) // 4


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _listed(gaps: Sequence[float]) -> str:
    return ", ".join(f"{gap:.3f} s" for gap in gaps[:12]) + (", …" if len(gaps) > 12 else "")  # noqa: PLR2004 (as many as fit)
