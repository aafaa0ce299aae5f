"""Connect a flow's upstream: resolve the name, try every address in turn."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IHostResolution, IReactorPluggableNameResolver, IResolutionReceiver
from zope.interface import implementer

from bustedwall.kernel.endings import errno_name
from bustedwall.kernel.sockets import Socket, connected, outgoing
from bustedwall.policy.address import Address
from bustedwall.terms.facts import AddressFailed, LimitReached
from bustedwall.terms.limits import Limit

if TYPE_CHECKING:
    from bustedwall.relay.tcpflow import TcpFlow

Target = tuple[int, tuple[Any, ...], str]
"""Address family, what connect(2) takes, and how to show it."""

_ANSWERED = (0, errno.ECONNRESET)
"""There was a connection, even if it has ended since."""


class Upstream:
    """Where a proxy's flows go.

    A host name is resolved anew for each flow; those that come while it is being resolved share the
    answer, so a resolver that hangs has one question to answer, and not one of each client.
    """

    def __init__(self, reactor: IReactorPluggableNameResolver, address: Address) -> None:
        self.address = address
        self._reactor = reactor
        self._asking: dict[Dialling, None] = {}
        """Who waits for the answer, in order."""
        self._asked = False
        """An answer is under way."""
        self.literal: Sequence[Target] | None = None
        """The address, where that is what was written; nobody has to be asked."""
        if isIPAddress(address.host):
            self.literal = (_target(IPv4Address("TCP", address.host, address.port)),)
        elif isIPv6Address(address.host):
            self.literal = (_target(IPv6Address("TCP", address.host, address.port)),)

    def ask(self, dialling: Dialling) -> None:
        """Tell a dialling the addresses to try, in the resolver's order; none if the name is not known."""
        self._asking[dialling] = None
        if not self._asked:
            self._asked = True
            answer = _Answer()
            answer.complete.addCallback(self._answered)
            self._reactor.nameResolver.resolveHostName(answer, self.address.host, self.address.port)

    def forget(self, dialling: Dialling) -> None:
        """Tell a dialling nothing any more."""
        self._asking.pop(dialling, None)

    def _answered(self, targets: Sequence[Target]) -> None:
        asking, self._asking, self._asked = self._asking, {}, False
        for dialling in asking:
            dialling.resolved(targets)


def _target(address: IAddress) -> Target:
    if isinstance(address, IPv4Address):
        return int(socket.AF_INET), (address.host, address.port), f"{address.host}:{address.port}"
    assert isinstance(address, IPv6Address)
    host, _, scope = address.host.partition("%")
    scope_id = socket.if_nametoindex(scope) if scope else address.scopeID or 0
    where = (host, address.port, address.flowInfo, scope_id)
    return int(socket.AF_INET6), where, f"[{address.host}]:{address.port}"


@implementer(IResolutionReceiver)
class _Answer:
    """Collects what the resolver finds."""

    def __init__(self) -> None:
        self.complete: Deferred[Sequence[Target]] = Deferred()
        self._targets: list[Target] = []

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:  # noqa: N802, N803 (Twisted's names)
        """Do nothing: a resolution is not cancelled."""

    def addressResolved(self, address: IAddress) -> None:  # noqa: N802 (Twisted's name)
        """Take one address."""
        self._targets.append(_target(address))

    def resolutionComplete(self) -> None:  # noqa: N802 (Twisted's name)
        """Hand all addresses over."""
        self.complete.callback(self._targets)


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

    __slots__ = ("_flow", "_sock", "_target", "_targets", "_upstream", "alarm")

    def __init__(self, flow: TcpFlow) -> None:
        self._flow: TcpFlow | None = flow
        self._upstream: Upstream = flow.proxy.upstream
        self.alarm: float | None = None
        self._targets: Iterator[Target] = iter(())
        self._target: Target | None = None
        self._sock: Socket | None = None

    def start(self) -> None:
        """Find out the addresses and try the first."""
        literal = self._upstream.literal
        if literal is not None:
            self._targets = iter(literal)
            self._try_next()
        else:
            self._wait()
            self._upstream.ask(self)

    def cancel(self) -> None:
        """Stop; the flow is not told anything any more."""
        flow = self._leave()
        self._upstream.forget(self)
        if self._sock is not None:
            flow.poller.forget(self._sock.fileno())
            self._sock.close()

    def _wait(self) -> None:
        """Wait, but not for ever; one wait has the time of all."""
        flow = self._flow
        assert flow is not None
        if self.alarm is None:
            flow.proxy.alarm.set(self, flow.poller.clock() + flow.proxy.setup.limits.connect)

    def _leave(self) -> TcpFlow:
        """Let go of the flow and return it: it is open, or will not be."""
        flow, self._flow = self._flow, None
        assert flow is not None
        if self.alarm is not None:
            flow.proxy.alarm.set(self, None)
        return flow

    def resolved(self, targets: Sequence[Target]) -> None:
        """Try the addresses of the upstream."""
        flow = self._flow
        if flow is None:
            return
        if not targets:
            flow.note(AddressFailed(str(self._upstream.address), "host name not found"))
        self._targets = iter(targets)
        flow.poller.guard(flow, self._try_next)

    def _try_next(self) -> None:
        flow = self._flow
        assert flow is not None
        for target in self._targets:
            family, where, shown = target
            try:
                sock = outgoing(family)
            except OSError as exhausted:
                flow.note(AddressFailed(shown, errno_name(exhausted.errno)))
                continue
            error: int | None = sock.connect_ex(where)
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
        self._leave().dial_failed()

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
        flow.note(LimitReached(Limit.CONNECT, flow.proxy.setup.limits.connect))
        flow.note(AddressFailed(str(self._upstream.address) if target is None else target[2], "limits.connect"))
        self.cancel()
        flow.dial_failed()

    def on_failure(self) -> None:
        """End the flow."""
        if self._flow is not None:
            self._flow.on_failure()
