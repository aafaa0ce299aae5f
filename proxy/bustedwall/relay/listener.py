"""A proxy's door: a listening socket."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from bustedwall.kernel.endings import errno_name
from bustedwall.kernel.icmp import Router
from bustedwall.kernel.knocks import let_go, lose_none, lose_some
from bustedwall.kernel.loss import dropped, lose_arriving
from bustedwall.kernel.sockets import Socket, clamp, take
from bustedwall.policy.address import Address
from bustedwall.relay.answering import Answering
from bustedwall.relay.pipes import pipes
from bustedwall.relay.poller import Poller
from bustedwall.relay.seats import Seats
from bustedwall.terms.door import OPEN_DOOR, Door, DoorMode
from bustedwall.terms.facts import AcceptPaused, DoorSet, LimitReached
from bustedwall.terms.limits import Limit

_BACKLOG = 4096
_BATCH = 8
"""Accepts in a row before the sockets that are open have their turn: 0.4 ms; 64 of them took 2.3 to 3.7 ms."""

_REST = 0.1
"""Seconds for which a door is left alone when accept fails, mostly because no descriptor or memory is left."""

_NEXT = (errno.ECONNABORTED, errno.EINTR, errno.EPROTO, errno.EPERM)
"""Errors of one connection that came to nothing, accept(2); the next one may be fine."""

_LOOK = 0.02
"""Seconds between two looks at how many SYNs were lost; a client repeats its own after a second."""

_ACCEPTING = (DoorMode.OPEN, DoorMode.IGNORE, DoorMode.IGNORE_SOME, DoorMode.UNREACHABLE)
"""Modes in which those who have come before are let in."""

Accept = Callable[[Socket, tuple[str, int]], None]


def listen(address: Address, *, shared: bool = False, mss: int | None = None) -> socket.socket:
    """Return a listening socket; raises OSError if the address cannot be had.

    `shared`: other sockets of ours may listen there, too, those for which `share_port` was called.
    TCP_NODELAY is inherited by what is accepted, which spares a call per connection. `mss` is set before
    anybody can come.
    """
    family, _, _, _, where = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
        if mss is not None:
            clamp(sock, mss)
        if address.port:
            sock.bind(where)
        else:
            _bind_to_free_port(sock, where)
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _bind_to_free_port(sock: socket.socket, where: tuple[Any, ...]) -> None:
    """Bind to a port that the kernel picks, and keep it.

    A port that the kernel picked for this very socket is given back when it listens no more, as at
    `refuse` (SOCK_BINDPORT_LOCK in tcp_set_state); so another one has it picked.
    """
    with socket.socket(sock.family, socket.SOCK_STREAM) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # then both may be bound, until one listens
        other.bind(where)
        sock.bind(other.getsockname())


class Listener:
    """Accepts clients while it is open."""

    def __init__(
        self,
        poller: Poller,
        sock: socket.socket,
        seats: Seats,
        accept: Accept,
        record: Callable[[AcceptPaused | DoorSet | LimitReached], None],
        *,
        lent: bool = False,
    ) -> None:
        self.sock = sock
        self._family = int(sock.family)
        self._poller = poller
        self._seats = seats
        self._accept = accept
        self._record = record
        self._lent = lent
        """Somebody else has the socket, too, and will accept from it when we do not."""
        self._mss: int | None = None
        """What the segments of its clients are clamped to."""
        self._door = OPEN_DOOR
        self._inherited = False
        """There was a filter, which those have too who came meanwhile, however late they are accepted."""
        self._router: Answering | None = None
        """Who answers SYNs by ICMP."""
        self._answered = 0
        """How many SYNs were answered so since the door was set last."""
        self._dropped = dropped(sock)
        """What the kernel had discarded when the door was set last."""
        self._resting = False
        self._crowded = False
        """All seats are taken, or clients still wait since they were."""
        self._watched = False
        self._counting: IDelayedCall | None = None
        self._watch()

    @property
    def address(self) -> Address:
        """Where the door is, with the port that the kernel picked; a link-local address with its interface."""
        host, port, *rest = self.sock.getsockname()
        scope = f"%{socket.if_indextoname(rest[1])}" if rest and rest[1] else ""
        return Address(host + scope, port)

    def share_port(self, *, shared: bool) -> None:
        """Let another socket of ours listen on the same port."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)

    def clamp(self, mss: int | None) -> None:
        """Let the segments of those who come from now on be no longer than this; None: as the path allows."""
        if mss != self._mss:
            clamp(self.sock, mss)
            self._mss = mss

    def close(self) -> None:
        """Accept nobody any more; clients in the backlog get a RST."""
        self._stop_counting()
        if self._watched:
            self._poller.shut_door(self.sock.fileno())
        if self._router is not None:
            self._withdraw(self._router)
        if self._lent:
            self._leave(self._door.mode)  # who has lent it gets it back as it was
            self.clamp(None)
        self.sock.close()

    def set_door(self, door: Door) -> None:
        """Let clients meet this from now on; the port stays ours. A kernel that refuses is a fact."""
        error = None
        try:
            self._leave(self._door.mode)
            self._enter(door)
            self._door = door
        except OSError as refusal:
            error = errno_name(refusal.errno)
        total = dropped(self.sock)
        self._record(DoorSet(door.mode, total - self._dropped, self._answered, error))
        self._dropped, self._answered = total, 0
        self._stop_counting()
        if door.first is not None and error is None:
            self._count(door.first)
        self._watch()

    def _leave(self, mode: DoorMode) -> None:
        if self._router is not None:
            self._withdraw(self._router)
        if mode in (DoorMode.IGNORE, DoorMode.UNREACHABLE):
            lose_arriving(self.sock, lost=False)
        elif mode is DoorMode.IGNORE_SOME:
            lose_none(self.sock)
        elif mode in (DoorMode.REFUSE, DoorMode.FULL):
            if self._mss is not None:
                clamp(self.sock, self._mss)  # the shutdown of `refuse` has forgotten it
            self.sock.listen(_BACKLOG)
        self._door = OPEN_DOOR

    def _withdraw(self, router: Answering) -> None:
        router.close()
        self._answered, self._router = router.answered, None

    def _enter(self, door: Door) -> None:
        mode = door.mode
        if door.why is not None:
            self._router = Answering(self._poller, self, Router(self.sock, door.why))
        if mode in (DoorMode.IGNORE, DoorMode.UNREACHABLE):
            lose_arriving(self.sock, lost=True)
        elif mode is DoorMode.IGNORE_SOME:
            lose_some(self.sock, door.ignored)
            self._inherited = True
        elif mode is DoorMode.FULL:
            self.sock.listen(0)
        elif mode is DoorMode.REFUSE:
            # Out of the epoll first: it would report a socket that hangs up, again and again.
            if self._watched:
                self._poller.shut_door(self.sock.fileno())
                self._watched = False
            self.sock.shutdown(socket.SHUT_RDWR)

    def _watch(self) -> None:
        """Be told of clients if there can be any, and they are to be accepted."""
        wanted = not self._resting and self._door.mode in _ACCEPTING
        if wanted != self._watched:
            self._watched = wanted
            (self._poller.open_door if wanted else self._shut)(self.sock.fileno(), self)

    def _shut(self, fd: int, door: Listener) -> None:
        self._poller.shut_door(fd)

    def _count(self, first: int) -> None:
        """Open the door after so many SYNs were lost."""
        if dropped(self.sock) - self._dropped >= first:
            self._counting = None
            self.set_door(OPEN_DOOR)
        else:
            self._counting = self._poller.reactor.callLater(_LOOK, self._count, first)

    def _stop_counting(self) -> None:
        if self._counting is not None and self._counting.active():
            self._counting.cancel()
        self._counting = None

    # ---- Door

    def on_knock(self) -> None:
        """Accept a batch of clients, unless the door was shut since they knocked."""
        for _ in range(_BATCH):
            if not self._watched:
                return
            if (full := self._seats.full()) is not None:
                self._wait_for(full)
                return
            try:
                self._poller.reserve.hold()
                sock, peer = take(self.sock, self._family)
            except BlockingIOError:
                self._crowded = False
                return
            except OSError as error:
                if error.errno in _NEXT:
                    continue
                self._rest(errno_name(error.errno))
                return
            if self._inherited:
                let_go(sock)
            self._accept(sock, peer[:2])

    def on_failure(self) -> None:
        """Go on after an exception, which has been logged: the other clients are not to blame."""
        self._rest("a bug, see the log")

    def _wait_for(self, seats: Seats) -> None:
        """Leave the clients in the backlog until there is a seat; it is told once as long as some wait."""
        if not self._crowded:
            self._crowded = True
            self._record(LimitReached(Limit.FLOWS, seats.most))
        self._resting = True
        self._watch()
        seats.wait(self._come_back)

    def _rest(self, why: str) -> None:
        """Leave the clients in the backlog for a moment, or the loop would spin on them."""
        pipes.give_up_idle()  # their descriptors are better spent on clients
        self._record(AcceptPaused(why))
        self._resting = True
        self._watch()
        self._poller.reactor.callLater(_REST, self._come_back)

    def _come_back(self) -> None:
        self._resting = False
        if self.sock.fileno() >= 0:
            self._watch()
