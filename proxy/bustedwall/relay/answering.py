"""Answers packets in the place of TCP or of a router, for as long as that is armed."""

from __future__ import annotations

from typing import Protocol

from bustedwall.kernel.answers import Answered
from bustedwall.relay.poller import Fallible, Poller


class Answerer(Protocol):
    """A trick of the kernel's that sees packets, and answers them."""

    def fileno(self) -> int:
        """Return a descriptor that is readable when packets have come."""

    def answer(self) -> Answered:
        """Answer some that have come."""

    def close(self) -> None:
        """See no more."""


class Answering:
    """A Watcher of what an answerer sees; raises OSError where it cannot be watched, and closes it."""

    __slots__ = ("_answerer", "_closed", "_owner", "_poller", "answered", "refused")

    def __init__(self, poller: Poller, owner: Fallible, answerer: Answerer) -> None:
        self.answered = self.refused = 0
        self._poller = poller
        self._owner = owner
        self._answerer = answerer
        self._closed = False
        try:
            poller.watch(answerer.fileno(), self)
        except OSError:
            answerer.close()
            raise

    def close(self) -> None:
        """Answer what has come, and no more."""
        self._closed = True
        self._answer()
        self._poller.forget(self._answerer.fileno())
        self._answerer.close()

    # ---- Watcher

    def on_event(self, events: int) -> None:
        """Answer what has come."""
        self._answer()

    def on_turn(self) -> None:
        """Go on answering."""
        if not self._closed:
            self._answer()

    def on_failure(self) -> None:
        """Let whom it is for deal with it."""
        self._owner.on_failure()

    def _answer(self) -> None:
        done = self._answerer.answer()
        self.answered += done.answered
        self.refused += done.refused
        if done.more and not self._closed:
            self._poller.later(self)
