"""Make the kernel lose some of the segments that arrive for one socket: a program in classic BPF.

A filter on a TCP socket sees each segment from its TCP header on, before TCP does. What it returns is
how many bytes of it are kept: 0 loses all, without an ACK. It holds no state and knows no connection,
so where in the stream it is aimed must be written into it: a keepalive is known by the number of the
byte before the one that is expected next. A segment that is kept in part is acknowledged in part.
Attaching needs CAP_NET_ADMIN in kernels since June 2026 (commit 5d39580f68e6), detaching nothing; the
filter is gone with its descriptor. Linux: net/core/filter.c; measured on 6.18.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bustedwall.kernel.sockets import TCP, Socket, unread
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
_ADD_X = 0x0C
_SUBTRACT = 0x14
_SUBTRACT_X = 0x1C
_SHIFT_RIGHT = 0x74
_AND = 0x54
_TO_X = 0x07
_IF_EQUAL = 0x15
_IF_GREATER = 0x25
_IF_AT_LEAST = 0x35
_IF_ANY_BIT = 0x45
_RETURN = 0x06
_RETURN_A = 0x16

_RANDOM = 0xFFFFF000 + 56
"""A load from here is a random number of 32 bits (SKF_AD_OFF + SKF_AD_RANDOM, linux/filter.h)."""

_U32 = 0xFFFFFFFF
_NOTHING = 0

_HALF = 0x80000000
"""Numbers that are further on than this are behind: sequence numbers wrap around."""

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

_WITH_FIN: tuple[_Step, ...] = (_Do(_LOAD_BYTE, _FLAGS), _Require(_IF_ANY_BIT, _FIN))
_NO_CONTROL: tuple[_Step, ...] = (_Do(_LOAD_BYTE, _FLAGS), _Require(_IF_ANY_BIT, _FIN | _SYN | _RST, so=False))


def attach(sock: Socket, losses: Iterable[Loss], numbers: Mapping[Loss, int]) -> None:
    """Lose these segments of what arrives, in place of what a filter lost before.

    `numbers`: where in the stream those are aimed that are (`aim`). Raises OSError where the kernel
    refuses, mostly EPERM. Attaching over another filter leaves no gap.
    """
    program = compiled(losses, numbers)
    buffer = ctypes.create_string_buffer(program, len(program))
    count = len(program) // _INSTRUCTION.size
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", count, ctypes.addressof(buffer)))


def detach(sock: Socket) -> None:
    """Lose nothing by a filter any more; raises OSError, ENOENT, if there is none."""
    sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


def aim(sock: Socket, loss: Loss) -> int:
    """Return the sequence number at which a loss is to be aimed, if it takes hold now.

    Raises OSError where there is no CAP_NET_ADMIN, without which there is no filter, either.
    """
    if loss.beyond is None:
        return _expects(sock) - 1 & _U32
    return _first_unread(sock) + loss.beyond & _U32


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
        return sock.getsockopt(TCP, _TCP_QUEUE_SEQ) & _U32
    finally:
        sock.setsockopt(TCP, _TCP_REPAIR, _REPAIR_OFF)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)


def compiled(losses: Iterable[Loss], numbers: Mapping[Loss, int]) -> bytes:
    """Return the program that loses what any of these means; the order of the losses changes nothing.

    What cuts segments comes last, because what is cut is kept.
    """
    order = sorted(losses, key=lambda loss: (loss.beyond is not None, str(loss)))
    program = b"".join(_tests(loss, numbers.get(loss, 0)) for loss in order)
    return program + _INSTRUCTION.pack(_RETURN, 0, 0, _U32)


def _tests(loss: Loss, number: int) -> bytes:
    """Return instructions that end in losing the segment, or a part of it, or else go on behind them."""
    if loss.beyond is not None:
        return _beyond(number)
    return _test((*_which(loss, number), *_how_large(loss), *_how_likely(loss)))


def _test(steps: Sequence[_Step], last: tuple[_Do, ...] = (_Do(_RETURN, _NOTHING),)) -> bytes:
    code, whole = b"", (*steps, *last)
    for at, step in enumerate(whole):
        if isinstance(step, _Do):
            code += _INSTRUCTION.pack(step.code, 0, 0, step.value)
        else:
            rest = len(whole) - at - 1
            code += _INSTRUCTION.pack(step.code, *((0, rest) if step.so else (rest, 0)), step.value)
    return code


def _which(loss: Loss, number: int) -> tuple[_Step, ...]:
    match loss.what:
        case What.ALL:
            return ()
        case What.DATA:
            return (*_LOAD_PAYLOAD, _Require(_IF_GREATER, 0))
        case What.ACKS:
            return (*_NO_CONTROL, *_LOAD_PAYLOAD, _Require(_IF_EQUAL, 0))
        case What.FIN:
            return _WITH_FIN
        case What.RST:
            return (_Do(_LOAD_BYTE, _FLAGS), _Require(_IF_ANY_BIT, _RST))
        case What.KEEPALIVES:
            known = (_Do(_LOAD_WORD, _SEQ), _Require(_IF_EQUAL, number))
            return (*_NO_CONTROL, *known, *_LOAD_PAYLOAD, _Require(_IF_GREATER, 1, so=False))


def _beyond(number: int) -> bytes:
    """Return instructions that lose the bytes from this number on, and a FIN behind one of them.

    A segment across the number is cut in front of it. Not one with a FIN, which would follow the cut at
    once: the peer's end would seem to have come; so all of that is lost.
    """
    begins_there = (_Do(_LOAD_WORD, _SEQ), _Do(_SUBTRACT, number), _Require(_IF_AT_LEAST, _HALF, so=False))
    ends_behind = (
        *_LOAD_PAYLOAD,
        _Do(_TO_X),
        _Do(_LOAD_WORD, _SEQ),
        _Do(_ADD_X),
        _Do(_SUBTRACT, number),
        _Require(_IF_GREATER, 0),
        _Require(_IF_AT_LEAST, _HALF, so=False),
    )
    keep_the_rest = (_Do(_TO_X), _Do(_LOAD_LENGTH), _Do(_SUBTRACT_X), _Do(_RETURN_A))
    data = (*_LOAD_PAYLOAD, _Require(_IF_GREATER, 0))
    return (
        _test((*begins_there, *data)) + _test((*_WITH_FIN, *ends_behind)) + _test((*data, *ends_behind), keep_the_rest)
    )


def _how_large(loss: Loss) -> tuple[_Step, ...]:
    return (*_LOAD_PAYLOAD, _Require(_IF_GREATER, loss.larger_than)) if loss.larger_than else ()


def _how_likely(loss: Loss) -> tuple[_Step, ...]:
    if loss.probability >= 1:
        return ()
    first_spared = min(round(loss.probability * 2**32), _U32)
    return (_Do(_LOAD_WORD, _RANDOM), _Require(_IF_AT_LEAST, first_spared, so=False))
