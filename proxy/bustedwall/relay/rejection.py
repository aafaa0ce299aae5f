"""Answers what arrives for one leg by bare RSTs, as long as that is armed; the leg itself goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bustedwall.kernel.rejecting import Rejecter
from bustedwall.terms.facts import SegmentsRejected

if TYPE_CHECKING:
    from bustedwall.relay.outlet import Outlet


class Rejection:
    """A Watcher of the raw socket of one leg; raises OSError where the kernel gives none."""

    __slots__ = ("_answered", "_closed", "_leg", "_refused", "_rejecter")

    def __init__(self, leg: Outlet) -> None:
        self._leg = leg
        self._answered = self._refused = 0
        self._closed = False
        self._rejecter = Rejecter(leg.sock)
        try:
            leg.flow.poller.watch(self._rejecter.raw.fileno(), self)
        except OSError:
            self._rejecter.close()
            raise

    def close(self) -> None:
        """Answer what has come, and no more; tell how much it was."""
        self._closed = True
        self._answer()
        self._leg.flow.poller.forget(self._rejecter.raw.fileno())
        self._rejecter.close()
        self._leg.flow.note(SegmentsRejected(self._leg.name, self._answered, self._refused))

    # ---- Watcher

    def on_event(self, events: int) -> None:
        """Answer what has come."""
        self._answer()

    def on_turn(self) -> None:
        """Go on answering."""
        if not self._closed:
            self._answer()

    def on_failure(self) -> None:
        """End the flow."""
        self._leg.flow.on_failure()

    def _answer(self) -> None:
        done = self._rejecter.answer()
        self._answered += done.answered
        self._refused += done.refused
        if done.more and not self._closed:
            self._leg.flow.poller.later(self)
