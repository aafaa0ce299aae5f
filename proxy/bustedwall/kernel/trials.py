"""One trial per ability, over loopback. A trial yields where it has to wait for the kernel.

It ends if the ability is there, and otherwise raises `NoEffectError`, or the OSError that the kernel
gave. `kernel.abilities` runs them side by side and says when it has waited long enough.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack
from enum import Enum

from bustedwall.kernel.endings import alive, pending_error, vanish
from bustedwall.kernel.evidence import snapshot
from bustedwall.kernel.icmp import Router
from bustedwall.kernel.loss import apply_losses, dropped, lose_arriving
from bustedwall.kernel.packets import open_packets, program
from bustedwall.kernel.rejecting import Rejecter
from bustedwall.kernel.sockets import TCP, Socket, connected, outgoing, take, unread
from bustedwall.kernel.timer import Timer
from bustedwall.kernel.unacking import mark, open_table
from bustedwall.terms.losses import NO_LOSS, Loss, Way, What
from bustedwall.terms.needs import Ability
from bustedwall.terms.unreachable import Unreachable

Trial = Generator[None, None, None]

_MEBIBYTE = 1 << 20

_HEADERS = 128
"""Bytes that are enough for all headers of a packet."""


class NoEffectError(Exception):
    """The kernel took the option, and nothing came of it."""


class Family(Enum):
    """A version of IP, and the address of this host in it."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"

    __hash__ = object.__hash__

    @property
    def number(self) -> int:
        """What sockets call it."""
        return int(socket.AF_INET if self is Family.IPV4 else socket.AF_INET6)

    @property
    def loopback(self) -> str:
        """The address of this host."""
        return "127.0.0.1" if self is Family.IPV4 else "::1"

    def here(self) -> bool:
        """Tell whether this machine has it, on its loopback device at least."""
        try:
            with socket.socket(self.number, socket.SOCK_STREAM) as sock:
                sock.bind((self.loopback, 0))
        except OSError:
            return False
        return True


FAMILIES = tuple(Family)


class Aid(Enum):
    """What makes the relay fast or exact, and no fault needs."""

    SPLICE = "splice"
    """Move bytes from a socket to a pipe without copying them through the program."""
    LARGE_PIPES = "large-pipes"
    """Pipes of 1 MiB."""
    TIMER = "timer"
    """A timer that is a descriptor (timerfd)."""

    __hash__ = object.__hash__


class Bench:
    """Where a trial is made: sockets of one family, closed after all trials."""

    def __init__(self, family: Family, closing: ExitStack) -> None:
        self.family = family
        self.closing = closing

    def listener(self) -> Socket:
        """Return a door on a free port."""
        door = self.keep(Socket(self.family.number, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
        door.setsockopt(TCP, socket.TCP_NODELAY, 1)  # passes to what is accepted: each write is a segment
        door.bind((self.family.loopback, 0))
        door.listen(8)
        return door

    def dial(self, door: Socket) -> Socket:
        """Begin to connect to a door."""
        sock = self.keep(outgoing(self.family.number))
        error = sock.connect_ex(door.getsockname())
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, os.strerror(error))
        return sock

    def accept(self, door: Socket) -> Generator[None, None, Socket]:
        """Take one client."""
        while True:
            try:
                return self.keep(take(door, self.family.number)[0])
            except BlockingIOError:
                yield

    def pair(self) -> Generator[None, None, tuple[Socket, Socket]]:
        """Return our end and the peer's of a new connection."""
        door = self.listener()
        peer = self.dial(door)
        ours = yield from self.accept(door)
        while connected(peer) is None:
            yield
        return ours, peer

    def keep(self, sock: Socket) -> Socket:
        """Close a socket with the others."""
        self.closing.callback(sock.close)
        return sock


def _lose_from(bench: Bench) -> Trial:
    ours, peer = yield from bench.pair()
    apply_losses(ours, frozenset({Loss(Way.FROM)}))
    peer.send(b"1")
    while not dropped(ours):
        if unread(ours):
            raise NoEffectError
        yield
    apply_losses(ours, NO_LOSS)
    yield from _repair(peer, ours)


def _lose_to(bench: Bench) -> Trial:
    ours, peer = yield from bench.pair()
    apply_losses(ours, frozenset({Loss(Way.TO)}))
    ours.send(b"1")
    apply_losses(ours, NO_LOSS)
    yield from _repair(ours, peer)


def _lose_some(bench: Bench) -> Trial:
    ours, peer = yield from bench.pair()
    data = frozenset({Loss(Way.FROM, What.DATA)})
    apply_losses(ours, data)
    ours.send(b"1")
    peer.send(b"1")
    while not dropped(ours) or snapshot(ours).in_flight:  # the data is lost, and not its neighbour, the ACK
        if unread(ours):
            raise NoEffectError
        yield
    apply_losses(ours, NO_LOSS, data)
    yield from _repair(peer, ours)


def _lose_acks(bench: Bench) -> Trial:
    ours, peer = yield from bench.pair()
    bench.keep(open_table())
    mark(ours, lost=True)
    sent, came = snapshot(ours).segments_out, snapshot(peer).segments_in
    peer.send(b"1")
    while snapshot(ours).segments_out == sent:
        ours.setsockopt(TCP, socket.TCP_QUICKACK, 1)
        yield
    ours.send(b"1")  # it comes behind the ACK, if that comes
    while not unread(peer):
        yield
    if snapshot(peer).segments_in - came != 1:
        raise NoEffectError
    mark(ours, lost=False)
    peer.send(b"2")
    while snapshot(peer).in_flight:
        ours.setsockopt(TCP, socket.TCP_QUICKACK, 1)
        if unread(ours):
            ours.recv(_HEADERS)  # with bytes unread the ACK is delayed by 40 ms all the same (tcp_cleanup_rbuf)
        yield


def _repair(sender: Socket, receiver: Socket) -> Trial:
    """Require that a first byte was lost, and that all arrives now."""
    for byte in (b"2", b"3", b"4"):
        sender.send(byte)
    while unread(receiver) < 4:  # noqa: PLR2004 (as many as were sent)
        yield
    if not snapshot(sender).retransmitted:
        raise NoEffectError


def _lose_syn(bench: Bench) -> Trial:
    door = bench.listener()
    lose_arriving(door, lost=True)
    early = bench.dial(door)
    while not dropped(door):
        if connected(early) is not None:
            raise NoEffectError
        yield
    if connected(early) is not None:
        raise NoEffectError
    lose_arriving(door, lost=False)
    bench.dial(door)  # the lost SYN is repeated after a second only
    yield from bench.accept(door)


def _vanish(bench: Bench) -> Trial:
    ours, peer = yield from bench.pair()
    vanish(ours)
    yield
    try:
        peer.send(b"1")  # it succeeds if nothing was heard
    except ConnectionError:
        raise NoEffectError from None
    while not (error := pending_error(peer)):
        yield
    if error != errno.ECONNRESET:
        raise NoEffectError


def _reject(bench: Bench) -> Trial:
    ours, peer = yield from bench.pair()
    rejecter = Rejecter(ours)
    bench.closing.callback(rejecter.close)
    peer.send(b"1")
    while not rejecter.answer().answered:
        yield
    while not (error := pending_error(peer)):
        yield
    if error != errno.ECONNRESET or not alive(ours):
        raise NoEffectError


def _unreachable(bench: Bench) -> Trial:
    door = bench.listener()
    lose_arriving(door, lost=True)
    router = Router(door, Unreachable.HOST)
    bench.closing.callback(router.close)
    client = bench.dial(door)
    while not router.answer().answered:
        yield
    while (error := connected(client)) is None:
        yield
    if error != errno.EHOSTUNREACH:
        raise NoEffectError


def _capture(bench: Bench) -> Trial:
    door = bench.listener()
    port = int(door.getsockname()[1])
    packets = bench.keep(open_packets(program([port], _HEADERS), ring=False))
    bench.dial(door)
    while True:
        try:
            seen = packets.recv(_HEADERS)
        except BlockingIOError:
            yield
        else:
            break
    if port.to_bytes(2, "big") not in seen:
        raise NoEffectError


def _splice(bench: Bench) -> Trial:
    ours, peer = yield from bench.pair()
    outlet, inlet = _pipe(bench)
    peer.send(b"1")
    while not unread(ours):
        yield
    os.splice(ours.fileno(), inlet, 1, flags=os.SPLICE_F_NONBLOCK)
    if os.read(outlet, 1) != b"1":
        raise NoEffectError


def _large_pipes(bench: Bench) -> Trial:
    _, inlet = _pipe(bench)
    if fcntl.fcntl(inlet, fcntl.F_SETPIPE_SZ, _MEBIBYTE) < _MEBIBYTE:
        raise NoEffectError
    yield


def _pipe(bench: Bench) -> tuple[int, int]:
    pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    for fd in pipe:
        bench.closing.callback(os.close, fd)
    return pipe


def _timer(bench: Bench) -> Trial:
    timer = Timer()
    bench.closing.callback(timer.close)
    timer.set(time.monotonic())
    while not select.select([timer.fd], [], [], 0)[0]:
        yield


TRIALS: Mapping[Ability | Aid, Callable[[Bench], Trial]] = {
    Ability.LOSE_FROM: _lose_from,
    Ability.LOSE_TO: _lose_to,
    Ability.LOSE_SOME: _lose_some,
    Ability.LOSE_ACKS: _lose_acks,
    Ability.LOSE_SYN: _lose_syn,
    Ability.VANISH: _vanish,
    Ability.REJECT: _reject,
    Ability.UNREACHABLE: _unreachable,
    Ability.CAPTURE: _capture,
    Aid.SPLICE: _splice,
    Aid.LARGE_PIPES: _large_pipes,
    Aid.TIMER: _timer,
}
"""What is tried, and how."""
