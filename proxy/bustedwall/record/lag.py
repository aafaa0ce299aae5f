"""How late the reactor's timers are: a histogram, and the latest."""

from __future__ import annotations

from bisect import bisect_left

from twisted.internet.interfaces import IDelayedCall, IReactorTime

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds; the poller alone may keep the reactor waiting for three milliseconds."""

_INTERVAL = 0.5


class Lag:
    """Asks to be called twice a second, and looks how much later that is done."""

    def __init__(self, reactor: IReactorTime) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        """How many calls were late by no more than each bound, and by more than all."""
        self.total = 0.0
        """Seconds, of all calls together."""
        self._reactor = reactor
        self._due = 0.0
        self._call: IDelayedCall | None = None

    def begin(self) -> None:
        """Ask from now on."""
        self._ask()

    def stop(self) -> None:
        """Ask no more."""
        if self._call is not None:
            self._call.cancel()

    def _ask(self) -> None:
        self._due = self._reactor.seconds() + _INTERVAL
        self._call = self._reactor.callLater(_INTERVAL, self._called)

    def _called(self) -> None:
        late = max(0.0, self._reactor.seconds() - self._due)
        self.counts[bisect_left(BOUNDS, late)] += 1
        self.total += late
        self._ask()
