"""Make the kernel lose some of the segments that arrive for one socket: a program in classic BPF.

A filter on a TCP socket sees each segment from its TCP header on, before TCP does. What it returns is
how many bytes of it are kept: 0 loses all, without an ACK. It holds no state and knows no connection,
so what a keepalive is must be written into it: the number of the byte that is expected next.
Attaching needs CAP_NET_ADMIN in kernels since June 2026 (commit 5d39580f68e6), detaching nothing; the
filter is gone with its descriptor. Linux: net/core/filter.c; measured on 6.18.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from bustedwall.kernel.sockets import TCP, Socket
from bustedwall.terms.losses import Loss, What

SO_ATTACH_FILTER = 26
SO_DETACH_FILTER = 27

_TCP_REPAIR = 19
_TCP_REPAIR_QUEUE = 20
_TCP_QUEUE_SEQ = 21
_RECEIVE_QUEUE = 1
_REPAIR_OFF = -1
"""Leaves repair mode without a window probe, which 0 sends (tcp_repair_set)."""

_FIN, _SYN, _RST = 1, 2, 4
_SEQ, _OFFSET, _FLAGS = 4, 12, 13
"""Where in the TCP header what is (RFC 9293 §3.1)."""

# Classic BPF, linux/bpf_common.h: class, size, mode or operation.
_LOAD_WORD = 0x20
_LOAD_BYTE = 0x30
_LOAD_LENGTH = 0x80
_SUBTRACT_X = 0x1C
_SHIFT_RIGHT = 0x74
_AND = 0x54
_TO_X = 0x07
_IF_EQUAL = 0x15
_IF_GREATER = 0x25
_IF_AT_LEAST = 0x35
_IF_ANY_BIT = 0x45
_RETURN = 0x06

_RANDOM = 0xFFFFF000 + 56
"""A load from here is a random number of 32 bits (SKF_AD_OFF + SKF_AD_RANDOM, linux/filter.h)."""

_ALL_OF_IT = 0xFFFFFFFF
_NOTHING = 0

_INSTRUCTION = struct.Struct("HBBI")


@dataclass(frozen=True, slots=True)
class _Do:
    """Calculate."""

    code: int
    value: int = 0


@dataclass(frozen=True, slots=True)
class _Require:
    """Go on where it is so, or where it is not so; else this loss does not mean the segment."""

    code: int
    value: int
    so: bool = True


_Step = _Do | _Require

_LOAD_PAYLOAD: tuple[_Step, ...] = (
    _Do(_LOAD_BYTE, _OFFSET),
    _Do(_SHIFT_RIGHT, 2),
    _Do(_AND, 0x3C),
    _Do(_TO_X),
    _Do(_LOAD_LENGTH),
    _Do(_SUBTRACT_X),
)
"""How many bytes the segment carries: its length without the header's."""

_NO_CONTROL: tuple[_Step, ...] = (_Do(_LOAD_BYTE, _FLAGS), _Require(_IF_ANY_BIT, _FIN | _SYN | _RST, so=False))


def attach(sock: Socket, losses: Iterable[Loss]) -> None:
    """Lose these segments of what arrives, in place of what a filter lost before.

    Raises OSError where the kernel refuses, mostly EPERM. Attaching over another filter leaves no gap.
    """
    means = tuple(losses)
    expected = expects(sock) if any(loss.what is What.KEEPALIVES for loss in means) else 0
    program = compiled(means, expected)
    buffer = ctypes.create_string_buffer(program, len(program))
    count = len(program) // _INSTRUCTION.size
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", count, ctypes.addressof(buffer)))


def detach(sock: Socket) -> None:
    """Lose nothing by a filter any more; raises OSError, ENOENT, if there is none."""
    sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


def expects(sock: Socket) -> int:
    """Return the sequence number that is expected next (rcv_nxt); needs CAP_NET_ADMIN, as the filter does.

    Leaving repair mode takes SO_REUSEADDR away (tcp_repair_off), and then a process that comes after us
    could not listen on our port as long as the connection lingers; so it is given back.
    """
    reuse = sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    sock.setsockopt(TCP, _TCP_REPAIR, 1)
    try:
        sock.setsockopt(TCP, _TCP_REPAIR_QUEUE, _RECEIVE_QUEUE)
        return sock.getsockopt(TCP, _TCP_QUEUE_SEQ) & 0xFFFFFFFF
    finally:
        sock.setsockopt(TCP, _TCP_REPAIR, _REPAIR_OFF)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)


def compiled(losses: Iterable[Loss], expected: int) -> bytes:
    """Return the program that loses what any of these means; the order of the losses changes nothing."""
    program = b"".join(_test(loss, expected) for loss in sorted(losses, key=str))
    return program + _INSTRUCTION.pack(_RETURN, 0, 0, _ALL_OF_IT)


def _test(loss: Loss, expected: int) -> bytes:
    """Return instructions that end in losing the segment, or else go on behind them."""
    steps = (*_which(loss, expected), *_how_large(loss), *_how_likely(loss))
    code = b""
    for at, step in enumerate(steps):
        if isinstance(step, _Do):
            code += _INSTRUCTION.pack(step.code, 0, 0, step.value)
        else:
            beyond = len(steps) - at  # over the rest and the return
            code += _INSTRUCTION.pack(step.code, *((0, beyond) if step.so else (beyond, 0)), step.value)
    return code + _INSTRUCTION.pack(_RETURN, 0, 0, _NOTHING)


def _which(loss: Loss, expected: int) -> tuple[_Step, ...]:
    match loss.what:
        case What.ALL:
            return ()
        case What.DATA:
            return (*_LOAD_PAYLOAD, _Require(_IF_GREATER, 0))
        case What.ACKS:
            return (*_NO_CONTROL, *_LOAD_PAYLOAD, _Require(_IF_EQUAL, 0))
        case What.FIN:
            return (_Do(_LOAD_BYTE, _FLAGS), _Require(_IF_ANY_BIT, _FIN))
        case What.RST:
            return (_Do(_LOAD_BYTE, _FLAGS), _Require(_IF_ANY_BIT, _RST))
        case What.KEEPALIVES:
            before = (expected - 1) & 0xFFFFFFFF
            known = (_Do(_LOAD_WORD, _SEQ), _Require(_IF_EQUAL, before))
            return (*_NO_CONTROL, *known, *_LOAD_PAYLOAD, _Require(_IF_GREATER, 1, so=False))


def _how_large(loss: Loss) -> tuple[_Step, ...]:
    return (*_LOAD_PAYLOAD, _Require(_IF_GREATER, loss.larger_than)) if loss.larger_than else ()


def _how_likely(loss: Loss) -> tuple[_Step, ...]:
    if loss.probability >= 1:
        return ()
    spared = min(round(loss.probability * 2**32), _ALL_OF_IT)
    return (_Do(_LOAD_WORD, _RANDOM), _Require(_IF_AT_LEAST, spared, so=False))
