"""Make the kernel lose some of the segments that arrive for one socket: a program in classic BPF.

A filter on a TCP socket sees each segment from its TCP header on, before TCP does. What it returns is
how many bytes of it are kept: 0 loses all, without an ACK. It holds no state and knows no connection,
so where in the stream it is aimed must be written into it: a keepalive is known by the number of the
byte before the one that is expected next. A segment that is kept in part is acknowledged in part.
What is in the program is `kernel.program`'s.
Attaching needs CAP_NET_ADMIN in kernels since June 2026 (commit 5d39580f68e6), detaching nothing; the
filter is gone with its descriptor. Linux: net/core/filter.c; measured on 6.18.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Mapping

from bustedwall.kernel import bpf
from bustedwall.kernel.bpf import U32
from bustedwall.kernel.program import compiled
from bustedwall.kernel.sockets import TCP, Socket, unread
from bustedwall.terms.losses import Loss

SO_DETACH_FILTER = 27

_TCP_REPAIR = 19
_TCP_REPAIR_QUEUE = 20
_TCP_QUEUE_SEQ = 21
_RECEIVE_QUEUE = 1
_REPAIR_OFF = -1
"""Leaves repair mode without a window probe, which 0 sends (tcp_repair_set)."""

_ADVMSS = struct.Struct("I")
_ADVMSS_AT = 84
"""Where struct tcp_info has it, linux/tcp.h."""


def attach(sock: Socket, losses: Iterable[Loss], numbers: Mapping[Loss, int]) -> None:
    """Lose these segments of what arrives, in place of what a filter lost before.

    `numbers`: where in the stream those are aimed that are (`aim`). Raises OSError where the kernel
    refuses, mostly EPERM. Attaching over another filter leaves no gap.
    """
    losses = tuple(losses)
    segment = _longest(sock) if any(loss.of_single_segments for loss in losses) else None
    bpf.attach(sock, compiled(losses, numbers, segment))


def detach(sock: Socket) -> None:
    """Lose nothing by a filter any more; raises OSError, ENOENT, if there is none."""
    sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


def _longest(sock: Socket) -> int:
    """Return how many bytes of data a segment of the peer's has at most: what we have told it (tcpi_advmss)."""
    told = sock.getsockopt(TCP, socket.TCP_INFO, _ADVMSS_AT + _ADVMSS.size)
    return int(_ADVMSS.unpack_from(told, _ADVMSS_AT)[0])


def aim(sock: Socket, loss: Loss) -> int:
    """Return the sequence number at which a loss is to be aimed, if it takes hold now.

    Raises OSError where there is no CAP_NET_ADMIN, without which there is no filter, either.
    """
    if loss.beyond is None:
        return _expects(sock) - 1 & U32
    return _first_unread(sock) + loss.beyond & U32


def _first_unread(sock: Socket) -> int:
    """Return the sequence number of the first byte that nobody has read.

    Two questions, between which more may arrive; so they are asked until nothing has. That ends, because
    nobody reads meanwhile, and the window closes.
    """
    expected = _expects(sock)
    while True:
        before, waiting = expected, unread(sock)
        expected = _expects(sock)
        if expected == before:
            return expected - waiting


def _expects(sock: Socket) -> int:
    """Return the sequence number that is expected next (rcv_nxt).

    Leaving repair mode takes SO_REUSEADDR away (tcp_repair_off), and then a process that comes after us
    could not listen on our port as long as the connection lingers; so it is given back.
    """
    reuse = sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    sock.setsockopt(TCP, _TCP_REPAIR, 1)
    try:
        sock.setsockopt(TCP, _TCP_REPAIR_QUEUE, _RECEIVE_QUEUE)
        return sock.getsockopt(TCP, _TCP_QUEUE_SEQ) & U32
    finally:
        sock.setsockopt(TCP, _TCP_REPAIR, _REPAIR_OFF)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
