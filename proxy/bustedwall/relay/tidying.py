"""What was needed for a while and is not any more is given back: idle pipes and freed memory."""

from __future__ import annotations

from bustedwall.kernel.memory import give_back
from bustedwall.relay.alarm import Alarm
from bustedwall.relay.pipes import pipes

_INTERVAL = 10.0
"""Seconds; what nobody has needed for so long is given back."""


class Tidying:
    """Tidies up again and again until it is closed."""

    def __init__(self, alarm: Alarm) -> None:
        self.alarm: float | None = None
        self._timers = alarm
        self._set()

    def _set(self) -> None:
        self._timers.set(self, self._timers.now() + _INTERVAL)

    def close(self) -> None:
        """Tidy up no more."""
        self._timers.set(self, None)

    # ---- Sleeper

    def wake(self, now: float) -> None:
        """Tidy up."""
        pipes.tidy()
        give_back()
        self._set()

    def on_failure(self) -> None:
        """Go on without it, after an exception, which has been logged: nothing depends on it."""
