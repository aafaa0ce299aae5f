"""The account of what is held, in the reactor: it tells when it is full, and has who was pressed read on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bustedwall.flow.held import Held
from bustedwall.relay.poller import Poller
from bustedwall.terms.facts import LimitReached
from bustedwall.terms.limits import Limit

if TYPE_CHECKING:
    from bustedwall.relay.consulting import Consulting
    from bustedwall.relay.leg import TcpLeg

_APART = 1.0
"""Seconds between two facts at least: at the limit it may fill and ease a hundred times a second."""


class Reservoir(Held):
    """What all proxies of one reactor hold."""

    def __init__(self, poller: Poller, limit: int, record: Callable[[LimitReached], None]) -> None:
        super().__init__(limit)
        self._poller = poller
        self._record = record
        self._pressed: dict[Consulting, None] = {}
        self._told = float("-inf")
        self.blocked: set[TcpLeg] = set()
        """Legs for which something waits, or did lately."""

    def filled(self) -> None:
        """Tell that the limit bites, unless that was told just before."""
        now = self._poller.clock()
        if now - self._told >= _APART:
            self._told = now
            self._record(LimitReached(Limit.HELD, self.limit))

    def eased(self) -> None:
        """Have the flows that were pressed read on, after this batch of events."""
        if self._pressed:
            self._poller.later(self)

    def press(self, flow: Consulting) -> None:
        """Have a flow looked at again when there is room."""
        self._pressed[flow] = None

    def forget(self, flow: Consulting) -> None:
        """Look no more at a flow that is closed."""
        self._pressed.pop(flow, None)

    # ---- Watcher

    def on_event(self, events: int) -> None:
        """Do nothing: no socket is watched."""

    def on_turn(self) -> None:
        """Have who was pressed read on; whoever fills it again presses the rest anew."""
        pressed, self._pressed = self._pressed, {}
        for flow in pressed:
            self._poller.guard(flow, flow.refresh)

    def on_failure(self) -> None:
        """Raise: a bug here would leave flows unread."""
        raise AssertionError("the reservoir has failed")
