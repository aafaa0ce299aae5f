"""What it takes to answer packets in the place of TCP or of a router."""

from __future__ import annotations

import struct
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of the packets that had come."""

    answered: int
    """Answers that our kernel took."""
    refused: int
    """Those that it did not take."""
    more: bool
    """There may be further packets."""


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071) of an even number of bytes."""
    total = sum(int(each) for each in struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
