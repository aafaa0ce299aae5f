"""What the kernel counted of the other end of a connection, where that end is in our network namespace.

sock_diag (linux/inet_diag.h) tells of any TCP socket of a namespace, whoever owns it, and asks no privilege.
The other end is the socket with our two addresses the other way round; where there is none, because it is
on another machine or in another namespace, behind NAT, or gone, nothing is known of it. A question takes
about 5 us and is answered before send(2) returns; measured on Linux 6.18.
"""

from __future__ import annotations

import atexit
import socket
import struct
from dataclasses import dataclass
from functools import cache
from itertools import count

from bustedwall.kernel.sockets import TCP, Socket, speaks_ipv4

_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY
_REQUEST = 1  # NLM_F_REQUEST
_INFO = 2  # INET_DIAG_INFO
_ALL_STATES = _ANY_COOKIE = 0xFFFFFFFF

_HEADER = struct.Struct("=IHHII")
"""struct nlmsghdr: length, type, flags, number, port."""
_QUESTION = struct.Struct("=BBBBI")
"""struct inet_diag_req_v2: family, protocol, what is wanted, padding, states."""
_PORTS = struct.Struct("!HH")
_REST = struct.Struct("=III")
"""struct inet_diag_sockid behind its addresses: device, cookie."""
_ID_AT = _HEADER.size + 4
_ATTRIBUTES_AT = _HEADER.size + 72
"""Behind struct inet_diag_msg."""
_ATTRIBUTE = struct.Struct("=HH")
_ATTRIBUTE_ALIGNED = 4

_U32 = struct.Struct("=I")
_UNACKED_AT, _TOTAL_RETRANS_AT = 24, 100
"""In struct tcp_info, linux/tcp.h."""

_ANSWER = 4096
_STALE = 8
"""Answers to older questions that are passed over; there are none, unless one was not read."""

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class PeerCounts:
    """Counters of the other end at one moment."""

    retransmitted: int
    """Segments that it has sent again so far (tcpi_total_retrans)."""
    unacknowledged: int
    """Segments that it has sent and that no ACK has come for (tcpi_unacked)."""

    def sent_again_since(self, before: PeerCounts) -> int:
        """Return how many segments it has sent again since an earlier moment."""
        return self.retransmitted - before.retransmitted & _ALL_STATES


def peer_counts(sock: Socket) -> PeerCounts | None:
    """Return the other end's counters; None where its kernel is not ours to ask, or it has none any more."""
    try:
        question, ports = _question(sock)
        asking = _asking()
        number = next(_numbers) & _ALL_STATES
        size = _HEADER.size + len(question)
        asking.send(_HEADER.pack(size, _BY_FAMILY, _REQUEST, number, 0) + question)
        for _ in range(_STALE):
            answer = asking.recv(_ANSWER)
            _, kind, _, answered, _ = _HEADER.unpack_from(answer)
            if answered == number:
                return _counts(answer) if kind == _BY_FAMILY and answer[_ID_AT:].startswith(ports) else None
    except OSError:  # not connected any more; no such sockets here; no memory for an answer
        return None
    return None


@cache
def _asking() -> socket.socket:
    """Open the socket that asks for all connections, when it is first needed; the process closes it."""
    asking = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _SOCK_DIAG)
    asking.connect((0, 0))
    atexit.register(asking.close)
    return asking


def _question(sock: Socket) -> tuple[bytes, bytes]:
    """Return the question for the other end, and the ports that an answer about it has; a listener has but one."""
    ours, theirs = sock.getsockname(), sock.getpeername()
    ipv4 = speaks_ipv4(sock, theirs[0])
    family = socket.AF_INET if ipv4 else socket.AF_INET6
    ports = _PORTS.pack(theirs[1], ours[1])
    ends = ports + _address(theirs[0], family) + _address(ours[0], family)
    device = 0 if ipv4 else theirs[3]
    question = _QUESTION.pack(family, TCP, 1 << (_INFO - 1), 0, _ALL_STATES) + ends
    return question + _REST.pack(device, _ANY_COOKIE, _ANY_COOKIE), ports


def _address(text: str, family: int) -> bytes:
    plain = text.removeprefix("::ffff:") if family == socket.AF_INET else text.partition("%")[0]
    return socket.inet_pton(family, plain).ljust(16, b"\0")


def _counts(answer: bytes) -> PeerCounts | None:
    """Take the counters from an answer; one about a connection that is only remembered has none."""
    at = _ATTRIBUTES_AT
    while at + _ATTRIBUTE.size <= len(answer):
        size, kind = _ATTRIBUTE.unpack_from(answer, at)
        body = answer[at + _ATTRIBUTE.size : at + size]
        if kind == _INFO and len(body) >= _TOTAL_RETRANS_AT + _U32.size:
            return PeerCounts(
                int(_U32.unpack_from(body, _TOTAL_RETRANS_AT)[0]), int(_U32.unpack_from(body, _UNACKED_AT)[0])
            )
        if size < _ATTRIBUTE.size:
            return None
        at += -(-size // _ATTRIBUTE_ALIGNED) * _ATTRIBUTE_ALIGNED
    return None
