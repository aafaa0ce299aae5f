"""Facts, for who asks what was and for who watches what is; and waits for what is to come."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from twisted.internet.defer import Deferred
from twisted.web.server import Request

from bustedwall.control.barrier import Barrier, FactBarrier, FiredBarrier, FlowsBarrier
from bustedwall.control.endpoint import Answer, Call, Endpoint
from bustedwall.control.firings import Firings
from bustedwall.control.live import Live
from bustedwall.control.problem import RefusedError
from bustedwall.control.sent import FactsAsked, WaitSent
from bustedwall.control.spans import seconds
from bustedwall.control.told import FactsTold, WaitTold
from bustedwall.control.viewer import STREAM, Viewer, Wanted, numbered
from bustedwall.record.recent import ROOM, Recent

MOST_VIEWERS = 32
MOST_WAITS = 48
"""Together fewer than there may be connections: who changes something finds room."""

LONGEST_WAIT = 600.0

_FULL = (HTTPStatus.SERVICE_UNAVAILABLE,)


class Watching:
    """Tells of facts."""

    def __init__(self, live: Live, recent: Recent) -> None:
        self._live = live
        self._recent = recent
        self._reactor = live.wall.reactor
        self._firings = Firings()
        recent.watch(self._firings.see)
        self._viewers: set[Viewer] = set()
        self._barriers: set[Barrier] = set()

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return what can be asked."""
        facts = "/api/v1/facts"
        refusals = (*_FULL, HTTPStatus.NOT_FOUND)
        return (
            Endpoint("GET", facts, self.facts, FactsTold, query=FactsAsked, also=STREAM, refusals=_FULL),
            Endpoint("POST", "/api/v1/wait", self.wait, WaitTold, WaitSent, refusals=refusals, changes=False),
        )

    def close(self) -> None:
        """Let all go who watch and wait: the run ends."""
        for viewer in tuple(self._viewers):
            viewer.close()
        for barrier in tuple(self._barriers):
            barrier.close()

    def facts(self, call: Call) -> Answer | Deferred[Answer]:
        """Tell facts that are not forgotten yet; as text/event-stream, those that come, until the client leaves."""
        asked = call.asked(FactsAsked)
        names = None if asked.fact is None else frozenset(asked.fact.split(","))
        wanted = Wanted(asked.proxy, asked.flow, names)
        if STREAM in (call.request.getHeader("accept") or ""):
            return self._stream(call.request, wanted, asked.after)
        after = 0 if asked.after is None else asked.after
        lines: list[str] = []
        last = after
        for number, entry in self._recent.since(after, ROOM):
            last = number
            if wanted.has(entry):
                lines.append(numbered(number, entry))
                if len(lines) == asked.limit:
                    break
        more = last < self._recent.last
        missed = max(0, self._recent.first - 1 - after) if asked.after is not None else 0
        told = f'"missed": {missed}, "last": {self._recent.last}, "next": {last if more else "null"}'
        return Answer(f'{{"facts": [{", ".join(lines)}], {told}}}\n'.encode())

    def _stream(self, request: Request, wanted: Wanted, after: int | None) -> Deferred[Answer]:
        if len(self._viewers) >= MOST_VIEWERS:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_VIEWERS} watch already")
        resumed = request.getHeader("last-event-id")
        if resumed is not None and resumed.isascii() and resumed.isdigit() and len(resumed) <= len(str(1 << 53)):
            after = int(resumed)
        viewer = Viewer(self._reactor, request, self._recent, wanted, self._recent.last if after is None else after)
        self._viewers.add(viewer)
        viewer.over.addBoth(lambda _: self._viewers.discard(viewer))
        viewer.begin()
        return Deferred()  # klein takes the client's leaving as its end

    def wait(self, call: Call) -> Deferred[Answer]:
        """Answer when what is waited for has come, or at the latest when `within` is over."""
        sent = call.sent(WaitSent)
        if len(self._barriers) >= MOST_WAITS:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_WAITS} wait already")
        chosen = [part for part in (sent.fired, sent.flows, sent.fact) if part is not None]
        if len(chosen) != 1:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "wait for one thing: 'fired', 'flows' or 'fact'")
        if chosen[0].proxy is not None:
            self._live.known(chosen[0].proxy)
        within = seconds(sent.within, "within", least=0.0, most=LONGEST_WAIT)
        assert within is not None
        make: Callable[..., Barrier]
        if sent.fired is not None:
            make = partial(FiredBarrier, sent.fired, self._firings)
        elif sent.flows is not None:
            make = partial(FlowsBarrier, sent.flows, self._live.wall)
        else:
            assert sent.fact is not None
            make = partial(FactBarrier, sent.fact)
        barrier = make(self._reactor, self._recent, within)
        self._barriers.add(barrier)

        def over(told: object) -> object:
            self._barriers.discard(barrier)
            return told

        barrier.begin()
        return barrier.met.addBoth(over).addCallback(Answer)
