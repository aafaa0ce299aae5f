"""Who watches facts as they come: server-sent events, as slowly as he reads.

Nothing is kept for him: he has a place among the facts that are kept for all. Who falls behind
further than these go is told how many he has missed.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from twisted.web.server import Request
from zope.interface import implementer

from bustedwall.record.line import line
from bustedwall.record.recent import Recent
from bustedwall.record.stream import Entry
from bustedwall.relay.poller import Reactor

STREAM = "text/event-stream"

PING = 15.0
"""Seconds between two signs of life, so that no box on the way takes it for idle."""

_AT_ONCE = 200
"""Facts that are written before others have their turn: two milliseconds."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which facts somebody wants."""

    proxy: str | None = None
    flow: int | None = None
    names: frozenset[str] | None = None

    def has(self, entry: Entry) -> bool:
        """Tell whether an entry is one of them."""
        return (
            (self.proxy is None or entry.proxy == self.proxy)
            and (self.flow is None or entry.flow == self.flow)
            and (self.names is None or entry.fact.name in self.names)
        )


def numbered(number: int, entry: Entry) -> str:
    """Return a fact as a line of the journal with its number in front."""
    return f'{{"number": {number}, {line(entry)[1:]}'


@implementer(IPushProducer)
class Viewer:
    """Writes facts to one client."""

    def __init__(self, reactor: Reactor, request: Request, recent: Recent, wanted: Wanted, after: int) -> None:
        self.over: Deferred[None] = Deferred()
        """Fires when he has left."""
        self._reactor = reactor
        self._request = request
        self._recent = recent
        self._wanted = wanted
        self._at = after
        """The number of the fact that he was told last, or that was passed over."""
        self._paused = False
        self._turn: IDelayedCall | None = None
        self._ping: IDelayedCall | None = None

    def begin(self) -> None:
        """Write what there is, and what comes."""
        request = self._request
        request.setHeader("content-type", STREAM)
        request.setHeader("cache-control", "no-store")
        request.setHeader("x-accel-buffering", "no")
        request.setHeader("x-content-type-options", "nosniff")
        request.notifyFinish().addBoth(self._leave)
        request.registerProducer(self, streaming=True)
        request.write(b"retry: 1000\n\n")
        self._recent.watch(self._see)
        self._ping = self._reactor.callLater(PING, self._sign_of_life)
        self._write()

    def close(self) -> None:
        """End the stream."""
        self._request.unregisterProducer()
        self._request.loseConnection()

    # ---- IPushProducer

    def pauseProducing(self) -> None:  # noqa: N802 (Twisted's name)
        """Write no more: he does not read."""
        self._paused = True

    def resumeProducing(self) -> None:  # noqa: N802 (Twisted's name)
        """Go on."""
        self._paused = False
        self._soon()

    def stopProducing(self) -> None:  # noqa: N802 (Twisted's name)
        """Write no more: the connection is gone."""
        self._paused = True

    # ---- turns

    def _see(self, _: Entry) -> None:
        if not self._paused:
            self._soon()

    def _soon(self) -> None:
        if self._turn is None:
            self._turn = self._reactor.callLater(0, self._write)

    def _write(self) -> None:
        self._turn = None
        if self._paused or self.over.called:
            return
        events: list[str] = []
        missed = self._recent.first - 1 - self._at
        if missed > 0:
            events.append(f'event: gap\ndata: {{"missed": {missed}}}\n\n')
            self._at += missed
        for number, entry in self._recent.since(self._at, _AT_ONCE):
            self._at = number
            if self._wanted.has(entry):
                events.append(f"id: {number}\ndata: {numbered(number, entry)}\n\n")
        if self._at < self._recent.last:
            self._soon()
        if events:
            self._request.write("".join(events).encode())

    def _sign_of_life(self) -> None:
        self._ping = self._reactor.callLater(PING, self._sign_of_life)
        if not self._paused:
            self._request.write(b": ping\n\n")

    def _leave(self, _: object) -> None:
        self._recent.unwatch(self._see)
        for call in (self._turn, self._ping):
            if call is not None and call.active():
                call.cancel()
        self.over.callback(None)
