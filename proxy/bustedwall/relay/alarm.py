"""One timer for all flows: a heap of times and a timerfd in the poller's epoll."""

from __future__ import annotations

import heapq
from functools import partial
from itertools import count
from typing import Protocol

from bustedwall.kernel.timer import Timer
from bustedwall.relay.poller import Fallible, Poller

_STALE = 64
"""Dead entries that the heap may keep however few live ones it has: each keeps a flow in memory that is gone."""


class Sleeper(Fallible, Protocol):
    """Who is woken; `alarm` is when, and belongs to the Alarm."""

    alarm: float | None

    def wake(self, now: float) -> None:
        """Do what is due."""


class Alarm:
    """Wakes sleepers, each at its time or a little later, never before."""

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self._timer = Timer()
        self._heap: list[tuple[float, int, Sleeper]] = []
        self._order = count()
        self._stale = 0
        self._set_for: float | None = None
        poller.watch(self._timer.fd, self)

    def now(self) -> float:
        """Return the time by which sleepers are woken."""
        return self._poller.clock()

    def set(self, sleeper: Sleeper, when: float | None) -> None:
        """Wake a sleeper at `when` instead of the time set before; None is never."""
        if when == sleeper.alarm:
            return
        if sleeper.alarm is not None:
            self._stale += 1
            if self._stale > _STALE and 2 * self._stale > len(self._heap):
                self._sweep()
        sleeper.alarm = when
        if when is not None:
            heapq.heappush(self._heap, (when, next(self._order), sleeper))
            if self._set_for is None or when < self._set_for:
                self._set_for = when
                self._timer.set(when)

    def close(self) -> None:
        """Wake nobody any more."""
        self._poller.forget(self._timer.fd)
        self._timer.close()

    # ---- Watcher

    def on_event(self, events: int) -> None:
        """Wake whoever is due."""
        self._timer.clear()
        self.on_turn()

    def on_turn(self) -> None:
        """Wake whoever is due and set the timer for the next."""
        heap, now = self._heap, self._poller.clock()
        self._set_for = None
        while heap and heap[0][0] <= now:
            when, _, sleeper = heapq.heappop(heap)
            if sleeper.alarm != when:
                self._stale -= 1
                continue
            sleeper.alarm = None
            self._poller.guard(sleeper, partial(sleeper.wake, now))
        if heap:
            self._set_for = heap[0][0]
            self._timer.set(heap[0][0])

    def on_failure(self) -> None:
        """Raise: a bug here would stop all timers."""
        raise AssertionError("the alarm has failed")

    def _sweep(self) -> None:
        self._heap[:] = [entry for entry in self._heap if entry[2].alarm == entry[0]]
        heapq.heapify(self._heap)
        self._stale = 0
