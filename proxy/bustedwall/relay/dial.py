"""Connect a flow's upstream: try every address in turn."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from bustedwall.kernel.endings import errno_name
from bustedwall.kernel.sockets import Socket, connected, outgoing
from bustedwall.relay.names import Target
from bustedwall.relay.upstream import Answer
from bustedwall.terms.facts import AddressesLeftOut, AddressFailed, LimitReached
from bustedwall.terms.limits import Limit

if TYPE_CHECKING:
    from bustedwall.relay.tcpflow import TcpFlow

_ANSWERED = (0, errno.ECONNRESET)
"""There was a connection, even if it has ended since."""


def _send(sock: Socket, header: bytes) -> int:
    """Send what the upstream is told first; return 0, or the errno of what became of the connection.

    A queue that was never used has room for it, unless the kernel is out of memory.
    """
    try:
        return 0 if sock.send(header) == len(header) else errno.ENOBUFS
    except BlockingIOError:
        return errno.ENOBUFS
    except OSError as error:
        return error.errno or errno.EIO


class Dialling:
    """The dialling of one flow."""

    __slots__ = ("_flow", "_left_out", "_most", "_sock", "_target", "_targets", "_upstream", "alarm")

    def __init__(self, flow: TcpFlow) -> None:
        self._flow: TcpFlow | None = flow
        self._upstream = flow.proxy.upstream
        self._most = flow.proxy.setup.limits.connect
        """The limit of this dialling; a reload has another one for those that come."""
        self.alarm: float | None = None
        self._targets: Iterator[Target] = iter(())
        self._left_out = 0
        self._target: Target | None = None
        self._sock: Socket | None = None

    def start(self) -> None:
        """Find out the addresses and try the first."""
        answer = self._upstream.ask(self)
        if answer is not None:
            self._try(answer)
        elif self._flow is not None:
            self._wait()

    def cancel(self) -> None:
        """Stop; the flow is not told anything any more."""
        flow = self._leave()
        if self._sock is not None:
            flow.poller.forget(self._sock.fileno())
            self._sock.close()
        else:
            self._upstream.withdraw(self)

    def _wait(self) -> None:
        """Wait, but not for ever; one wait has the time of all."""
        flow = self._flow
        assert flow is not None
        if self.alarm is None:
            flow.proxy.alarm.set(self, flow.poller.clock() + self._most)

    def _leave(self) -> TcpFlow:
        """Let go of the flow and return it: it is open, or will not be."""
        flow, self._flow = self._flow, None
        assert flow is not None
        if self.alarm is not None:
            flow.proxy.alarm.set(self, None)
        return flow

    # ---- Asker

    def answered(self, answer: Answer) -> None:
        """Try the addresses of a name."""
        if self._flow is not None:  # else it ended by what the same answer meant for another
            self._flow.poller.guard(self._flow, partial(self._try, answer))

    def _try(self, answer: Answer) -> None:
        assert self._flow is not None
        if answer.why:
            self._flow.note(AddressFailed(str(self._upstream.address), answer.why))
        self._targets, self._left_out = iter(answer.targets), answer.left_out
        self._try_next()

    def _try_next(self) -> None:
        flow = self._flow
        assert flow is not None
        for target in self._targets:
            family, where, shown = target
            if objection := self._objection(flow, target):
                flow.note(AddressFailed(shown, objection))
                continue
            source = self._upstream.source
            try:
                sock = flow.poller.reserve.open(partial(outgoing, family, source and source[1], self._upstream.mss))
            except OSError as exhausted:
                flow.note(AddressFailed(shown, errno_name(exhausted.errno)))
                continue
            error: int | None = sock.connect_ex(where)
            if flow.tap is not None:
                flow.tap.join(flow.number, sock.getsockname()[:2], where[:2])
            if error == errno.EINPROGRESS:
                error = connected(sock)  # on loopback it is done by now
            if error is None:
                self._sock, self._target = sock, target
                flow.poller.watch(sock.fileno(), self)
                self._wait()
                return
            if error in _ANSWERED:
                self._open(flow, sock, shown, error, watched=False)
                return
            sock.close()
            flow.note(AddressFailed(shown, errno_name(error)))
        if self._left_out:
            flow.note(AddressesLeftOut(str(self._upstream.address), self._left_out))
        self._leave().dial_failed()

    def _objection(self, flow: TcpFlow, target: Target) -> str:
        """Say why an address is not even tried; nothing where it is."""
        family, where, _ = target
        if self._upstream.source is not None and self._upstream.source[0] != family:
            return "not of the source's IP version"
        return "leads back to this proxy" if flow.proxy.doors.leads_back(flow.proxy.proxy_name, where) else ""

    def _open(self, flow: TcpFlow, sock: Socket, shown: str, error: int, *, watched: bool) -> None:
        """Open the flow, and tell it of a RST that the kernel has told us; it tells it once."""
        self._leave()
        if flow.header:
            error = error or _send(sock, flow.header)
            flow.header = b""
        flow.open(sock, shown, watched=watched)
        if error and flow.server is not None and not flow.server.dead:
            flow.lose(flow.server, error)

    # ---- Watcher

    def on_event(self, events: int) -> None:
        """Ask the kernel how the connect went; an event may be a stale one, so nothing is read from it."""
        flow, sock, target = self._flow, self._sock, self._target
        assert flow is not None
        assert sock is not None
        assert target is not None
        error = connected(sock)
        if error is None:
            return
        self._sock = None
        if error in _ANSWERED:
            self._open(flow, sock, target[2], error, watched=True)
            return
        flow.poller.forget(sock.fileno())
        sock.close()
        flow.note(AddressFailed(target[2], errno_name(error)))
        self._try_next()

    def on_turn(self) -> None:
        """Do nothing: a dialling asks for no turns."""

    # ---- Sleeper

    def wake(self, now: float) -> None:
        """Wait no longer."""
        flow, target = self._flow, self._target
        assert flow is not None
        flow.note(LimitReached(Limit.CONNECT, self._most))
        flow.note(AddressFailed(str(self._upstream.address) if target is None else target[2], "limits.connect"))
        self.cancel()
        flow.dial_failed()

    def on_failure(self) -> None:
        """End the flow."""
        if self._flow is not None:
            self._flow.on_failure()
