"""Knows where in the stream a leg's losses are aimed, and keeps those right that move with the data.

A keepalive is what comes before the byte that is expected next, and a filter cannot ask which one
that is. A peer sends one after a second without data at the earliest (TCP_KEEPIDLE), so it is enough to
look several times in a second whether more has arrived, which costs the bytes' own path nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bustedwall.kernel.filter import aim, attach
from bustedwall.terms.losses import NO_LOSS, Loss, Losses, What

if TYPE_CHECKING:
    from bustedwall.relay.outlet import Outlet

_LOOK = 0.25
"""Seconds between two looks."""


class Aim:
    """The numbers of one leg's losses; a Sleeper."""

    __slots__ = ("_leg", "_losses", "_numbers", "alarm")

    def __init__(self, leg: Outlet) -> None:
        self._leg = leg
        self._losses: Losses = NO_LOSS
        self._numbers: dict[Loss, int] = {}
        self.alarm: float | None = None

    def take(self, losses: Losses) -> Mapping[Loss, int]:
        """Return the numbers of what the leg is to lose from now on; what it lost before keeps its own.

        Raises OSError where the kernel does not tell, without CAP_NET_ADMIN.
        """
        aimed = {loss for loss in losses if loss.aimed}
        self._numbers = {
            loss: self._numbers[loss] if loss in self._numbers else aim(self._leg.sock, loss) for loss in aimed
        }
        self._losses = frozenset(loss for loss in losses if loss.selective and not loss.muted)
        moves = any(loss.what is What.KEEPALIVES for loss in aimed)
        self._set_alarm(self._leg.flow.poller.clock() + _LOOK if moves else None)
        return self._numbers

    def close(self) -> None:
        """Look no more."""
        self._set_alarm(None)

    # ---- Sleeper

    def wake(self, now: float) -> None:
        """Look, and aim anew where more has arrived."""
        leg = self._leg
        if leg.gone:
            return
        moved = {loss: aim(leg.sock, loss) for loss in self._numbers if loss.what is What.KEEPALIVES}
        if not moved.items() <= self._numbers.items():
            self._numbers |= moved
            attach(leg.sock, self._losses, self._numbers)
        self._set_alarm(now + _LOOK)

    def on_failure(self) -> None:
        """End the flow."""
        self._leg.flow.on_failure()

    def _set_alarm(self, when: float | None) -> None:
        self._leg.flow.proxy.alarm.set(self, when)
