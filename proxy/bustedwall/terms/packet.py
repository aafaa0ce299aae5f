"""A packet, as it was seen on its way."""

from __future__ import annotations

from typing import NamedTuple


class Packet(NamedTuple):
    """What the kernel has shown us of a packet, from its IP header on."""

    stamp: int
    """When it came by, in nanoseconds since 1970."""
    length: int
    """Bytes that it had."""
    device: int
    """The network interface, by its index."""
    data: bytes
    """The first bytes of it."""
