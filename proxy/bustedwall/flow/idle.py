"""Tells when nothing has moved on a flow for so long.

The relay moves bytes without a word, and keepalives never reach a program at all, so the kernel is
asked, when the time could have come and not before: `Measure`, answered by `Measured`.

    data:    the kernel knows when bytes last arrived; if that was too recently, ask again when it is not
    packets: it only counts segments; ask ten times per period, and a count that has changed is a sign
             of life at the time of asking. So it may be found idle a tenth late, never early.
"""

from __future__ import annotations

from collections.abc import Iterable

from bustedwall.policy.rules import AtIdle, Clock
from bustedwall.terms.events import Measured
from bustedwall.terms.leg import Leg

_LOOKS = 10
"""How often per period segments are counted."""

_SOON = 0.005
"""Seconds between two questions at least: the kernel's own clock is no finer."""


class IdleClock:
    """One wait for silence on one flow."""

    __slots__ = ("_last", "_moment", "_pending", "_segments", "due")

    def __init__(self, moment: AtIdle, now: float) -> None:
        self._moment = moment
        self._last = now
        """The last sign of life that is known."""
        self._segments: dict[Leg, int] = {}
        self._pending: frozenset[Leg] = frozenset()
        """Who has still to answer."""
        self.due: float | None = now + moment.seconds if moment.clock is Clock.DATA else now
        """When the kernel is to be asked; None while it is being asked."""

    @property
    def quiet_since(self) -> float | None:
        """Return the last sign of life, if no more is known; None while it asks, or where segments are counted."""
        return None if self.due is None or self._moment.clock is not Clock.DATA else self._last

    def ask(self, legs: Iterable[Leg]) -> None:
        """Note that these legs are being measured."""
        self._pending = frozenset(legs)
        self.due = None

    def hear(self, answer: Measured, now: float) -> bool:
        """Take an answer; tell whether the flow has been idle for long enough."""
        leg, seconds = answer.leg, self._moment.seconds
        if leg not in self._pending:
            return False
        self._pending -= {leg}
        if self._moment.clock is Clock.DATA:
            self._last = max(self._last, now - answer.quiet)
        elif self._segments.get(leg) != answer.segments:
            self._segments[leg] = answer.segments
            self._last = now
        if self._pending:
            return False
        idle = now - self._last >= seconds
        if idle:
            self._last = now  # for the next time, if there is one
        due = self._last + seconds
        if self._moment.clock is Clock.PACKETS:
            due = min(due, now + seconds / _LOOKS)
        self.due = max(due, now + _SOON)
        return idle
