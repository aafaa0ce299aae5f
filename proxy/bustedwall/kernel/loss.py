"""Make the kernel lose segments of one socket: all of one way or both without privilege, some by a filter.

From the peer: IP_MINTTL (IPv6: IPV6_MINHOPCOUNT) 255 makes the kernel discard every arriving segment
whose TTL is lower before TCP sees it; Linux sends with 64. No ACK goes out. RFC 5082 is what the
option is for.
To the peer: an IP record-route option of length 8 with its pointer at 4 (RFC 791 §3.1). Our kernel
fills the slot and moves the pointer to 8, where a slot would need 4 more bytes: malformed, so the
next IP stack discards the segment and answers ICMP parameter problem. IPv6: a segment-routing header
with no segments left (RFC 8754), which hosts with seg6_enabled=0, the default, discard silently.
Both are one setsockopt, healed by another, and gone with the descriptor.
Some of what arrives is lost by a filter, see `kernel.filter`, and our bare ACKs alone by a table of nftables,
see `kernel.unacking`; both need a privilege.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Mapping

from bustedwall.kernel.filter import attach, detach
from bustedwall.kernel.sockets import Socket, speaks_ipv4
from bustedwall.kernel.unacking import lose_acks
from bustedwall.terms.losses import NO_LOSS, Loss, Losses, Way

IP_MINTTL = 21
IPV6_MINHOPCOUNT = 73
IPV6_RTHDR = 57

SO_MEMINFO = 55
"""getsockopt: nine numbers, the last one counts discarded segments (linux/sock_diag.h, SK_MEMINFO_DROPS)."""

_MEMINFO = struct.Struct("9I")
_DROPS = 8

_ONLY_NEIGHBOURS = 255
_ANY_DISTANCE = 0
_MALFORMED_RECORD_ROUTE = bytes([7, 8, 4, 0, 0, 0, 0, 0])
_NO_SEGMENTS_LEFT = bytes([0, 2, 4, 0, 0, 0, 0, 0])


Numbers = Callable[[Losses], Mapping[Loss, int]]
"""Where losses are aimed that mean segments by where they are in the stream; may raise OSError."""


def _no_numbers(losses: Losses) -> Mapping[Loss, int]:
    assert not any(loss.aimed for loss in losses), "somebody has to know where these are aimed"
    return {}


def apply_losses(sock: Socket, losses: Losses, before: Losses = NO_LOSS, numbers: Numbers = _no_numbers) -> None:
    """Lose exactly these segments of a connected socket from now on, `before` until now; the empty set heals it.

    What was received before stays readable. Raises OSError if the kernel refuses; then what arrives
    is not lost.
    """
    ways = {loss.way for loss in losses if not loss.selective}
    ipv4 = speaks_ipv4(sock, sock.getpeername()[0])
    level, option = (socket.IPPROTO_IP, IP_MINTTL) if ipv4 else (socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT)
    try:
        _filter(sock, losses, before, numbers)
        _mute(sock, losses, before)
        sock.setsockopt(level, option, _ONLY_NEIGHBOURS if Way.FROM in ways else _ANY_DISTANCE)
        lose_outgoing(sock, lost=Way.TO in ways)
    except OSError:  # half of a loss is another loss
        sock.setsockopt(level, option, _ANY_DISTANCE)
        with contextlib.suppress(OSError):  # where there is no filter
            detach(sock)
        with contextlib.suppress(OSError):  # as above
            lose_acks(sock, lost=False)
        raise


def _filter(sock: Socket, losses: Losses, before: Losses, numbers: Numbers) -> None:
    some, were = ({loss for loss in of if loss.selective and not loss.muted} for of in (losses, before))
    where = numbers(losses)
    if some == were:
        return
    if some:
        attach(sock, some, where)
    else:
        detach(sock)


def _mute(sock: Socket, losses: Losses, before: Losses) -> None:
    muted, was = (any(loss.muted for loss in of) for of in (losses, before))
    if muted != was:
        lose_acks(sock, lost=muted)


def lose_outgoing(sock: Socket, *, lost: bool) -> None:
    """Lose all that a connected socket sends from now on, or no longer; what it receives stays as it is.

    Raises OSError if the kernel refuses, ENOTCONN if the connection is gone.
    """
    peer = sock.getpeername()[0]
    if speaks_ipv4(sock, peer):
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, _MALFORMED_RECORD_ROUTE if lost else b"")
    else:
        route = _NO_SEGMENTS_LEFT + socket.inet_pton(socket.AF_INET6, peer.partition("%")[0])
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RTHDR, route if lost else b"")


def lose_arriving(sock: Socket, *, lost: bool) -> None:
    """Lose all that arrives for a socket, or no longer; on a listener that is every SYN.

    Both families are set where the socket has both, so that it holds whoever comes. What a listener
    has passes to the sockets that it creates. Raises OSError if the kernel refuses.
    """
    hops = _ONLY_NEIGHBOURS if lost else _ANY_DISTANCE
    sock.setsockopt(socket.IPPROTO_IP, IP_MINTTL, hops)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT, hops)


def dropped(sock: Socket) -> int:
    """Return how many segments the kernel has thrown away that arrived for a socket; of a listener, its SYNs."""
    return int(_MEMINFO.unpack(sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMINFO.size))[_DROPS])
