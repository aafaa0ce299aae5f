"""Waits for something to come: nobody is held up, the answer is what waits."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from bustedwall.control.firings import Firings, is_meant
from bustedwall.control.sent import FactWaited, FiredWaited, FlowsWaited
from bustedwall.control.told import WaitTold
from bustedwall.control.viewer import Wanted, numbered
from bustedwall.record.recent import ROOM, Recent
from bustedwall.record.stream import Entry
from bustedwall.relay.poller import Reactor
from bustedwall.relay.wall import Wall
from bustedwall.terms.facts import FlowAccepted, FlowClosed, RuleFired


class Barrier(ABC):
    """One wait. `met` fires with how it went; who cancels it does not wait any more."""

    def __init__(self, reactor: Reactor, recent: Recent, within: float) -> None:
        self.met: Deferred[WaitTold] = Deferred(lambda _: self._end())
        self._reactor = reactor
        self._recent = recent
        self._began = reactor.seconds()
        self._within = within
        self._limit: IDelayedCall | None = None
        self._turn: IDelayedCall | None = None
        self._fact: tuple[int, Entry] | None = None
        """The last fact that counted, with its number."""

    def begin(self) -> None:
        """Look whether it has come already, and wait if not."""
        self._limit = self._reactor.callLater(self._within, self._tell, met=False)
        self._recent.watch(self._see)
        self._look()

    def close(self) -> None:
        """Wait no more: the run ends."""
        if not self.met.called:
            self._tell(met=False)

    @abstractmethod
    def count(self) -> int:
        """Return how many there are of what is waited for."""

    @abstractmethod
    def enough(self, count: int) -> bool:
        """Tell whether these are as many as are waited for."""

    @abstractmethod
    def concerns(self, entry: Entry) -> bool:
        """Tell whether a fact may change the count; take note of it."""

    def _see(self, entry: Entry) -> None:
        if self.concerns(entry):
            self._fact = (self._recent.last, entry)
            if self._turn is None:
                # Not now: what records a fact may not be at its end, and flows are counted after theirs.
                self._turn = self._reactor.callLater(0, self._look)

    def _look(self) -> None:
        self._turn = None
        if self.enough(self.count()):
            self._tell(met=True)

    def _tell(self, *, met: bool) -> None:
        self._end()
        waited = round(self._reactor.seconds() - self._began, 6)
        fact = None if self._fact is None else json.loads(numbered(*self._fact))
        self.met.callback(WaitTold(met, self.count(), waited, self._recent.last, fact))

    def _end(self) -> None:
        self._recent.unwatch(self._see)
        for call in (self._limit, self._turn):
            if call is not None and call.active():
                call.cancel()


class FiredBarrier(Barrier):
    """Until rules have fired so often since they were applied."""

    def __init__(self, asked: FiredWaited, firings: Firings, *rest: Any) -> None:  # noqa: ANN401 (those of Barrier)
        super().__init__(*rest)
        self._asked = asked
        self._firings = firings

    def count(self) -> int:
        """Return how often they have."""
        return self._firings.of(self._asked.rule, self._asked.proxy)

    def enough(self, count: int) -> bool:
        """Tell whether that is as often as is waited for."""
        return count >= self._asked.times

    def concerns(self, entry: Entry) -> bool:
        """Tell whether it is such a firing."""
        fact = entry.fact
        return isinstance(fact, RuleFired) and is_meant(self._asked.rule, fact.rule)


class FlowsBarrier(Barrier):
    """Until so many flows are open, or so few."""

    def __init__(self, asked: FlowsWaited, wall: Wall, *rest: Any) -> None:  # noqa: ANN401 (those of Barrier)
        super().__init__(*rest)
        self._asked = asked
        self._wall = wall

    def count(self) -> int:
        """Return how many are."""
        proxies = (*self._wall.proxies, *self._wall.leaving)
        return sum(len(proxy.flows) for proxy in proxies if self._asked.proxy in (None, proxy.proxy_name))

    def enough(self, count: int) -> bool:
        """Tell whether that is as is waited for."""
        least, most = self._asked.at_least, self._asked.at_most
        return (least is None or count >= least) and (most is None or count <= most)

    def concerns(self, entry: Entry) -> bool:
        """Tell whether a flow comes or goes."""
        return isinstance(entry.fact, FlowAccepted | FlowClosed)


class FactBarrier(Barrier):
    """Until so many facts have come that are as is said."""

    def __init__(self, asked: FactWaited, *rest: Any) -> None:  # noqa: ANN401 (those of Barrier)
        super().__init__(*rest)
        self._asked = asked
        self._wanted = Wanted(asked.proxy, asked.flow, frozenset(asked.fact.split(",")))
        self._count = 0
        if asked.after is not None:
            for number, entry in self._recent.since(asked.after, ROOM):
                if self.concerns(entry):
                    self._fact = (number, entry)

    def count(self) -> int:
        """Return how many have."""
        return self._count

    def enough(self, count: int) -> bool:
        """Tell whether those are as many as are waited for."""
        return count >= self._asked.times

    def concerns(self, entry: Entry) -> bool:
        """Count a fact that is as is said."""
        counts = self._is(entry)
        self._count += counts
        return counts

    def _is(self, entry: Entry) -> bool:
        asked = self._asked
        if not self._wanted.has(entry):
            return False
        if not asked.having:
            return True
        told = entry.fact.record()
        return all(key in told and _same(told[key], value) for key, value in asked.having.items())


def _same(told: object, asked: object) -> bool:
    return told == asked and isinstance(told, bool) is isinstance(asked, bool)
