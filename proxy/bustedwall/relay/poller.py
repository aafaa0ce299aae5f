"""The data plane's event loop: one epoll, nested in the reactor as a single descriptor.

Each socket is registered once, edge-triggered, for all it can do; nothing is ever modified, so a
byte costs a read and a write and no epoll_ctl. Twisted's own transports would hide the errno of a
RST, read ahead (FIN or RST is decided by unread bytes) and cost two to three times more.

A turn of the reactor costs more than the relaying of a small message. So while messages come the
poller does not go back after each, but lingers a moment for the next one; what else the reactor has
to do (names to resolve, requests to a control port) waits for at most _STAY and _LINGER. Timers of
flows do not wait: their descriptor is in this epoll, too.

Edge-triggered means that what is not done at an event is not announced again: a watcher that stops
before the kernel says EAGAIN has to come back by `later`.

Epoll reports in the order of arrival, and to end a flow costs ten times what a message costs. So when
hundreds are reset at once, a message behind them would wait for all of them. Connections that are over
therefore have their turn behind the others of a batch, a few at a time.

Doors, the listening sockets, are level-triggered and come last in each batch: a descriptor that was
closed in the batch can then be reused only after its stale events are dealt with.
"""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from twisted.internet.interfaces import (
    IReactorCore,
    IReactorFDSet,
    IReactorThreads,
    IReactorTime,
    IReadDescriptor,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from bustedwall.relay.crew import Crew, Run
from bustedwall.relay.reserve import Reserve

IN = select.EPOLLIN
OUT = select.EPOLLOUT
ERR = select.EPOLLERR
READABLE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
"""Events after which a read does not come back empty-handed."""
FINISHING = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
"""Events after which a short read is not the last one."""

_OVER = select.EPOLLHUP | select.EPOLLERR
"""Both ends have finished, or one has reset."""

_SOCKET = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | (select.EPOLLET & 0xFFFFFFFF)
_BATCH = 256
_ENDINGS = 8
"""Connections that are over and have their turn before the others have theirs again: 0.6 ms."""

_LINGER = 0.001
"""Seconds to wait for the next event before the reactor has its turn; the least that epoll_wait can be asked for."""

_STAY = 0.002
"""Seconds after which the reactor has its turn, however much there is to do."""

log = Logger()


Begin = Callable[[], Run | None]
"""Returns what is to be done by now, perhaps nothing; nothing else may happen in this call."""


class Fallible(Protocol):
    """Who can be ended alone when a bug of ours shows in it."""

    def on_failure(self) -> None:
        """Give up after an exception, which has been logged."""


class Watcher(Fallible, Protocol):
    """Who is told of a socket's events."""

    def on_event(self, events: int) -> None:
        """Deal with epoll events."""

    def on_turn(self) -> None:
        """Go on where the watcher had stopped before the kernel said EAGAIN."""


class Door(Fallible, Protocol):
    """Who is told of a listening socket's events."""

    def on_knock(self) -> None:
        """Accept."""


class Reactor(IReactorCore, IReactorFDSet, IReactorTime, IReactorThreads):
    """What the data plane needs of a reactor."""


@implementer(IReadDescriptor)
class Poller:
    """The epoll of all sockets of a process; one per reactor."""

    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self.clock = time.monotonic
        self.reserve = Reserve()
        self._epoll = select.epoll()
        self._watchers: dict[int, Watcher] = {}
        self._doors: dict[int, Door] = {}
        self._over: dict[int, int] = {}
        """What epoll has said of connections that are over and have not had their turn."""
        self._queue: deque[int] = deque()
        """These, in order, and some that were forgotten since."""
        self._turns: deque[Watcher] = deque()
        self._begins: list[Begin] = []
        self._crew = Crew()
        self._busy = False
        self._scheduled = False
        reactor.addReader(self)

    def watch(self, fd: int, watcher: Watcher) -> None:
        """Tell a watcher of a socket's events, from what is true of it now."""
        self._watchers[fd] = watcher
        self._epoll.register(fd, _SOCKET)

    def hand_over(self, fd: int, watcher: Watcher) -> None:
        """Tell another watcher from now on."""
        self._watchers[fd] = watcher

    def forget(self, fd: int) -> None:
        """Tell nobody any more; for a descriptor that is about to be closed, which ends its registration."""
        del self._watchers[fd]
        self._over.pop(fd, None)

    def release(self, fd: int) -> None:
        """Tell nobody any more; the socket stays open, and may be watched again."""
        self.forget(fd)
        self._epoll.unregister(fd)

    def open_door(self, fd: int, door: Door) -> None:
        """Tell a door of knocks until it is shut."""
        self._doors[fd] = door
        self._epoll.register(fd, select.EPOLLIN)

    def shut_door(self, fd: int) -> None:
        """Tell it no more; the socket stays open."""
        del self._doors[fd]
        self._epoll.unregister(fd)

    def later(self, watcher: Watcher) -> None:
        """Give a watcher a turn after this batch of events."""
        self._turns.append(watcher)
        if not self._busy:
            self._schedule()

    def run(self, begin: Begin) -> None:
        """Do a run after this batch of events."""
        self._begins.append(begin)
        if not self._busy:
            self._schedule()

    def close(self) -> None:
        """Leave the reactor and give the epoll back."""
        self._crew.close()
        self.reactor.removeReader(self)
        self._epoll.close()
        self.reserve.spend()

    # ---- IReadDescriptor

    def fileno(self) -> int:
        """Return the epoll's own descriptor, readable when any socket has an event."""
        return -1 if self._epoll.closed else self._epoll.fileno()

    def logPrefix(self) -> str:  # noqa: N802 (Twisted's name)
        """Name the poller in Twisted's log."""
        return "bustedwall"

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802 (Twisted's name)
        """Do nothing: an epoll does not end."""

    def doRead(self) -> None:  # noqa: N802 (Twisted's name)
        """Deal with what has happened on all sockets."""
        self._busy = True
        leave, wait = self.clock() + _STAY, 0.0
        while not self._epoll.closed and ((events := self._epoll.poll(wait, _BATCH)) or self._left()):
            self._dispatch(events)
            if self.clock() >= leave:
                break
            wait = 0.0 if self._left() else _LINGER
        self._busy = False
        if self._left():
            self._schedule()

    def _left(self) -> bool:
        """Tell whether there is something to do of which epoll says nothing any more."""
        return bool(self._turns or self._begins or self._queue)

    def _dispatch(self, events: list[tuple[int, int]]) -> None:
        watchers = self._watchers
        knocks = []
        for fd, event in events:
            watcher = watchers.get(fd)
            if watcher is not None:
                if event & _OVER:
                    self._over[fd] = event
                    self._queue.append(fd)
                    continue
                try:
                    watcher.on_event(event)
                except Exception:  # noqa: BLE001 (a bug in one flow must not hang the others)
                    _give_up(watcher)
            elif fd in self._doors:
                knocks.append(self._doors[fd])
        if self._queue:
            self._end_some()
        if self._turns or self._begins:
            self._take_turns()
        for door in knocks:
            self.guard(door, door.on_knock)

    def _end_some(self) -> None:
        """Tell the next few watchers whose connections are over."""
        queue, over, watchers = self._queue, self._over, self._watchers
        for _ in range(min(_ENDINGS, len(queue))):
            fd = queue.popleft()
            event = over.pop(fd, None)
            if event is not None:  # else it was forgotten meanwhile
                watcher = watchers[fd]
                self.guard(watcher, partial(watcher.on_event, event))

    def guard(self, who: Fallible, act: Callable[[], None]) -> None:
        """Call `act`; an exception is logged and ends `who`, not the loop that serves everyone."""
        try:
            act()
        except Exception:  # noqa: BLE001 (a bug in one flow must not hang the others)
            _give_up(who)

    def _take_turns(self) -> None:
        for _ in range(len(self._turns)):
            watcher = self._turns.popleft()
            self.guard(watcher, watcher.on_turn)
        if self._begins:
            self._do_runs()

    def _do_runs(self) -> None:
        """Do all runs that were asked for; nothing else happens between the first and the last."""
        begins, self._begins = self._begins, []
        runs = [run for begin in begins if (run := begin()) is not None]
        if runs:
            self._crew.do(runs)
        for run in runs:
            run.account()
        for run in runs:
            self.guard(run, partial(_follow, run))

    def _schedule(self) -> None:
        """Come back soon, but let the reactor do its other work first."""
        if not self._scheduled:
            self._scheduled = True
            self.reactor.callLater(0, self._come_back)

    def _come_back(self) -> None:
        self._scheduled = False
        self._busy = True
        self._take_turns()
        self.doRead()


def _follow(run: Run) -> None:
    if run.bug is not None:
        raise run.bug
    run.follow()


def _give_up(who: Fallible) -> None:
    log.failure("a bug of bustedwall ended a flow")
    who.on_failure()
