"""Keeps a filter that means keepalives aimed at the right number while data flows.

A keepalive is what comes before the byte that is expected next, and a filter cannot ask which one
that is. A peer sends one after a second without data at the earliest (TCP_KEEPIDLE), so it is enough to
look several times in a second whether more has arrived, which costs the bytes' own path nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bustedwall.kernel.filter import attach, expects
from bustedwall.terms.losses import Losses, What

if TYPE_CHECKING:
    from bustedwall.relay.outlet import Outlet

_LOOK = 0.25
"""Seconds between two looks."""


class Aim:
    """Watches one leg's filter; a Sleeper."""

    __slots__ = ("_expected", "_leg", "_losses", "alarm")

    def __init__(self, leg: Outlet) -> None:
        self._leg = leg
        self._losses: Losses = frozenset()
        self._expected = 0
        self.alarm: float | None = None

    def take(self, losses: Losses) -> None:
        """Take note of what the leg's filter has just been made to lose."""
        self._losses = frozenset(loss for loss in losses if loss.selective)
        if any(loss.what is What.KEEPALIVES for loss in self._losses):
            self._expected = expects(self._leg.sock)
            self._set_alarm(self._leg.flow.poller.clock() + _LOOK)
        else:
            self.close()

    def close(self) -> None:
        """Look no more."""
        self._set_alarm(None)

    # ---- Sleeper

    def wake(self, now: float) -> None:
        """Look, and aim anew where more has arrived."""
        if self._leg.gone:
            return
        expected = expects(self._leg.sock)
        if expected != self._expected:
            self._expected = expected
            attach(self._leg.sock, self._losses)
        self._set_alarm(now + _LOOK)

    def on_failure(self) -> None:
        """End the flow."""
        self._leg.flow.on_failure()

    def _set_alarm(self, when: float | None) -> None:
        self._leg.flow.proxy.alarm.set(self, when)
