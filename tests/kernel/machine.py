"""The machine that classic BPF is written for, as far as our programs use it (linux/bpf_common.h, filter.rst)."""

from __future__ import annotations

import struct
from collections.abc import Callable

Load = Callable[[int, int], int]
"""Returns a number from a place, of so many bytes; raises BeyondError where the packet has ended."""

LOADS = {0x20: 4, 0x28: 2, 0x30: 1, 0x48: 2}
"""Bytes that a load takes, by its code; 0x48 counts from the index on."""

ARITHMETIC: dict[int, Callable[[int, int, int], int]] = {
    0x04: lambda a, _, k: a + k,
    0x0C: lambda a, x, _: a + x,
    0x14: lambda a, _, k: a - k,
    0x1C: lambda a, x, _: a - x,
    0x24: lambda a, _, k: a * k,
    0x54: lambda a, _, k: a & k,
    0x64: lambda a, _, k: a << k,
    0x74: lambda a, _, k: a >> k,
}
COMPARISON: dict[int, Callable[[int, int, int], bool]] = {
    0x15: lambda a, _, k: a == k,
    0x25: lambda a, _, k: a > k,
    0x2D: lambda a, x, _: a > x,
    0x35: lambda a, _, k: a >= k,
    0x45: lambda a, _, k: bool(a & k),
}
"""By operation, of the accumulator, the index and the instruction's own value."""


class BeyondError(Exception):
    """A load from behind the end of a packet."""


def within(data: bytes) -> Load:
    """Return loads from these bytes."""

    def load(at: int, size: int) -> int:
        if at + size > len(data):
            raise BeyondError
        return int.from_bytes(data[at : at + size], "big")

    return load


def run(program: bytes, load: Load, length: int = 0) -> int:
    """Return what a program returns for a packet of this length; 0 where it loads from behind its end."""
    try:
        return _run(list(struct.iter_unpack("HBBI", program)), load, length)
    except BeyondError:
        return 0


def _run(code: list[tuple[int, int, int, int]], load: Load, length: int) -> int:
    stored = [0] * 16
    a = x = at = 0
    while True:
        op, yes, no, k = code[at]
        at += 1
        if op in (0x06, 0x16):
            return a if op == 0x16 else k
        if op in LOADS:
            a = load(k + x if op == 0x48 else k, LOADS[op])
        elif op in ARITHMETIC:
            a = ARITHMETIC[op](a, x, k) & 0xFFFFFFFF
        elif op in COMPARISON:
            at += yes if COMPARISON[op](a, x, k) else no
        elif op in (0x60, 0x80):
            a = stored[k] if op == 0x60 else length
        elif op in (0x02, 0x03):
            stored[k] = a if op == 0x02 else x
        elif op == 0xB1:
            x = (load(k, 1) & 15) * 4
        elif op == 0x87:
            a = x
        else:
            x = {0x01: k, 0x61: stored[k & 15], 0x07: a}[op]
