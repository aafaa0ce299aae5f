"""Classic BPF, as a filter on a socket is written in it: instructions, and blocks of them.

That of a TCP socket sees a segment from its TCP header on, that of a packet socket from its IP header on.
Linux: linux/bpf_common.h, net/core/filter.c.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from bustedwall.kernel.sockets import Socket

SO_ATTACH_FILTER = 26

# Class, size, mode or operation.
LOAD_WORD = 0x20
LOAD_HALF = 0x28
LOAD_HALF_AT_X = 0x48
LOAD_BYTE = 0x30
LOAD_BYTE_AT_X = 0x50
LOAD_LENGTH = 0x80
LOAD_STORED = 0x60
LOAD_X = 0x01
LOAD_X_STORED = 0x61
LOAD_X_IP_HEADER = 0xB1
"""How long the IPv4 header is that begins there."""
STORE = 0x02
STORE_X = 0x03
ADD = 0x04
ADD_X = 0x0C
SUBTRACT = 0x14
SUBTRACT_X = 0x1C
MULTIPLY = 0x24
AND = 0x54
SHIFT_LEFT = 0x64
SHIFT_RIGHT = 0x74
TO_X = 0x07
FROM_X = 0x87
IF_EQUAL = 0x15
IF_GREATER = 0x25
IF_GREATER_THAN_X = 0x2D
IF_AT_LEAST = 0x35
IF_ANY_BIT = 0x45
RETURN = 0x06
RETURN_A = 0x16

NETWORK = 0xFFF00000
"""A load from here on is from the IP header (SKF_NET_OFF, linux/filter.h)."""

RANDOM = 0xFFFFF000 + 56
"""A load from here is a random number of 32 bits (SKF_AD_OFF + SKF_AD_RANDOM, linux/filter.h)."""

PROTOCOL, PACKET_TYPE, DEVICE_TYPE = (0xFFFFF000 + at for at in (0, 4, 28))
"""Loads from here tell of the packet as a whole (SKF_AD_PROTOCOL, SKF_AD_PKTTYPE, SKF_AD_HATYPE)."""

FIN, SYN, RST, ACK = 1, 2, 4, 16
SEQ, OFFSET, FLAGS = 4, 12, 13
"""Where in the TCP header what is (RFC 9293 §3.1)."""

U32 = 0xFFFFFFFF

_INSTRUCTION = struct.Struct("HBBI")


@dataclass(frozen=True, slots=True)
class Do:
    """Calculate."""

    code: int
    value: int = 0


@dataclass(frozen=True, slots=True)
class Require:
    """Go on where it is so, or where it is not so; else the block does not mean the segment."""

    code: int
    value: int
    so: bool = True


Step = Do | Require


def written(*steps: Do) -> bytes:
    """Return these instructions."""
    return b"".join(_INSTRUCTION.pack(step.code, 0, 0, step.value) for step in steps)


def block(steps: Sequence[Step], then: bytes) -> bytes:
    """Return instructions that go on behind them at the first step that fails, and else do what comes `then`."""
    code, rest = b"", len(steps) + count(then)
    for step in steps:
        rest -= 1
        if isinstance(step, Do):
            code += _INSTRUCTION.pack(step.code, 0, 0, step.value)
        else:
            code += _INSTRUCTION.pack(step.code, *((0, rest) if step.so else (rest, 0)), step.value)
    return code + then


def attach(sock: Socket, program: bytes) -> None:
    """Have a socket see only what a program keeps, in place of what another one kept. Raises OSError."""
    buffer = ctypes.create_string_buffer(program, len(program))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", count(program), ctypes.addressof(buffer)))


def count(program: bytes) -> int:
    """Return how many instructions there are."""
    return len(program) // _INSTRUCTION.size
