"""Answer what arrives for one connection as a host that knows no such connection: by a bare RST.

RFC 9293 §3.10.7.1: the RST has no ACK flag, and its sequence number is the one that the segment acknowledges;
so nothing has to be known of the connection, and the sender, who has acknowledged no more and no less, takes it
(RFC 5961 §3.2). A firewall's `REJECT --reject-with tcp-reset` sends the same (nf_reject_ipv4.c).
A raw socket sees a copy of each segment before TCP does, whether or not TCP is made to lose it, and sends the
answer; the connection's own socket does not know. Raw sockets need CAP_NET_RAW. Measured on Linux 6.18.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

from bustedwall.kernel import bpf
from bustedwall.kernel.answers import Answered, checksum
from bustedwall.kernel.bpf import ACK, FLAGS, RST, Do, Require, Step, block, written
from bustedwall.kernel.sockets import TCP, Socket, speaks_ipv4

_HEADERS = 120
"""Bytes: an IPv4 header and a TCP header at their longest."""

_ROUNDS = 64
"""Segments in a row before others have their turn."""

_ACK_NUMBER = 8
_LENGTH = 20

_PORTS = struct.Struct("!HH")
_U32 = struct.Struct("!I")
_SEGMENT = struct.Struct("!HHIIBBHHH")
_WITHOUT_OPTIONS = 5 << 4
_MAPPED = "::ffff:"


class Rejecter:
    """Sees what arrives for one connection from now on; raises OSError, as for EPERM, or ENOTCONN if it is gone."""

    def __init__(self, sock: Socket) -> None:
        local, peer = sock.getsockname(), sock.getpeername()
        ipv4 = speaks_ipv4(sock, peer[0])
        ours, theirs = (_host(address, ipv4=ipv4) for address in (local, peer))
        self._ipv4 = ipv4
        self._ports: tuple[int, int] = (local[1], peer[1])
        self._pseudo = _pseudo_header(ours[0], theirs[0], ipv4=ipv4)
        self._raw = Socket(socket.AF_INET if ipv4 else socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_NONBLOCK, TCP)
        try:
            bpf.attach(self._raw, _program(peer[1], local[1], ipv4=ipv4))
            self._raw.bind(ours)
            self._raw.connect(theirs)
            self._forget()
        except OSError:
            self._raw.close()
            raise

    def fileno(self) -> int:
        """Return a descriptor that is readable when segments have come."""
        return self._raw.fileno()

    def answer(self) -> Answered:
        """Answer segments that have come; what was never acknowledged and what is a RST has no answer."""
        answered = refused = 0
        for _ in range(_ROUNDS):
            try:
                packet = self._raw.recv(_HEADERS)
            except BlockingIOError:
                return Answered(answered, refused, more=False)
            except OSError:  # what ICMP said of a RST of ours; it is told once
                continue
            segment = self._segment(packet)
            if segment is None:
                continue
            try:
                self._raw.send(self._rst(segment[_ACK_NUMBER : _ACK_NUMBER + 4]))
                answered += 1
            except OSError:
                refused += 1
        return Answered(answered, refused, more=True)

    def close(self) -> None:
        """Answer no more."""
        self._raw.close()

    def _forget(self) -> None:
        """Make room: before its filter was there the socket took all TCP of this host, until its queue was full."""
        while True:
            try:
                self._raw.recv(_HEADERS)
            except BlockingIOError:
                return

    def _segment(self, packet: bytes) -> bytes | None:
        """Return a TCP header that is to be answered: of this connection, with an ACK, and no RST."""
        segment = packet[(packet[0] & 0xF) * 4 :] if self._ipv4 else packet
        if len(segment) < _LENGTH or _PORTS.unpack_from(segment) != self._ports[::-1]:
            return None  # it came before the filter was there
        return segment if segment[FLAGS] & (ACK | RST) == ACK else None

    def _rst(self, number: bytes) -> bytes:
        """Return a RST with this sequence number, and nothing else in it."""
        (seq,) = _U32.unpack(number)
        head = (*self._ports, seq, 0, _WITHOUT_OPTIONS, RST, 0)
        return _SEGMENT.pack(*head, checksum(self._pseudo + _SEGMENT.pack(*head, 0, 0)), 0)


def _host(address: tuple[Any, ...], *, ipv4: bool) -> tuple[Any, ...]:
    """Return where a raw socket is bound: the address, its interface if it has one, and no port."""
    host = address[0].removeprefix(_MAPPED) if ipv4 else address[0]
    return (host, 0) if ipv4 else (host, 0, 0, address[3])


def _pseudo_header(ours: str, theirs: str, *, ipv4: bool) -> bytes:
    """Return what of the IP header is in TCP's checksum (RFC 9293 §3.1, RFC 8200 §8.1)."""
    family = socket.AF_INET if ipv4 else socket.AF_INET6
    addresses = b"".join(socket.inet_pton(family, host.partition("%")[0]) for host in (ours, theirs))
    return addresses + (struct.pack("!HH", TCP, _LENGTH) if ipv4 else struct.pack("!II", _LENGTH, TCP))


def _program(source: int, target: int, *, ipv4: bool) -> bytes:
    """Return what keeps the headers of what comes from one port to another; an IPv6 header is not before them."""
    if ipv4:
        at: tuple[Step, ...] = (Do(bpf.LOAD_X_IP_HEADER, 0),)
        load = bpf.LOAD_HALF_AT_X
    else:
        at, load = (), bpf.LOAD_HALF
    steps: tuple[Step, ...] = (
        *at,
        Do(load, 0),
        Require(bpf.IF_EQUAL, source),
        Do(load, 2),
        Require(bpf.IF_EQUAL, target),
    )
    return block(steps, written(Do(bpf.RETURN, _HEADERS))) + written(Do(bpf.RETURN, 0))
