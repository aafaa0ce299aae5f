"""Looks once a second at what nobody would tell: a process without turns, a clock that was set, legs that are stuck."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bustedwall.relay.alarm import Alarm
from bustedwall.relay.census import waiting
from bustedwall.terms.facts import ClockJumped, Fact, LegBlocked, ProcessStalled

if TYPE_CHECKING:
    from bustedwall.relay.leg import TcpLeg

INTERVAL = 1.0

LATE = 5.0
"""Seconds; who looks so much later than he wanted was stopped, or had no processor."""

JUMP = 1.0
"""Seconds by which the wall clock goes otherwise than the monotonic one between two looks; NTP slews it by 0.0005."""

STUCK = 10.0
"""Seconds; TCP with a peer that reads, or comes back within a few retransmissions, has moved something by then."""


class Vigil:
    """Looks again and again until it is closed; each thing is told once, and again when it happens again."""

    def __init__(self, alarm: Alarm, blocked: set[TcpLeg], record: Callable[[Fact], None]) -> None:
        """`blocked` are the legs for which something waits; those for which it does not any more are taken out."""
        self.alarm: float | None = None
        self._timers = alarm
        self._blocked = blocked
        self._record = record
        self._stuck: dict[TcpLeg, tuple[int, float]] = {}
        """Of each blocked leg, how much its kernel has taken, and since when that is so; never, once it was told."""
        self._ahead = _ahead()
        self._due = 0.0
        self._set()

    def _set(self) -> None:
        self._due = self._timers.now() + INTERVAL
        self._timers.set(self, self._due)

    def close(self) -> None:
        """Look no more."""
        self._timers.set(self, None)

    # ---- Sleeper

    def wake(self, now: float) -> None:
        """Look."""
        if now - self._due > LATE:
            self._record(ProcessStalled(round(now - self._due, 3)))
        ahead = _ahead()
        if abs(ahead - self._ahead) > JUMP:
            self._record(ClockJumped(round(ahead - self._ahead, 3)))
        self._ahead = ahead
        self._look_at_legs(now)
        self._set()

    def on_failure(self) -> None:
        """Go on without it, after an exception, which has been logged: nothing depends on it."""

    def _look_at_legs(self, now: float) -> None:
        for leg in tuple(self._blocked):
            if leg.dead or not leg.blocked:
                self._blocked.discard(leg)
                self._stuck.pop(leg, None)
                continue
            taken = leg.peer.moved
            before, since = self._stuck.get(leg, (-1, now))
            if taken != before:
                self._stuck[leg] = (taken, now)
            elif now - since >= STUCK:
                leg.flow.note(LegBlocked(leg.name, round(now - since, 3), waiting(leg)))
                self._stuck[leg] = (taken, float("inf"))


def _ahead() -> float:
    """Return by how much the wall clock is ahead of the monotonic one."""
    return time.time() - time.monotonic()
