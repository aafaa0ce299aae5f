"""What a proxy's open flows are, have moved and hold, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Census:
    """Sums over the open flows of one proxy."""

    proxy: str
    flows: int
    from_client: int
    """Bytes from clients that our kernel accepted for the servers."""
    from_server: int
    held: int
    """Bytes that were read and wait in this process, in stages and for a kernel to take them."""
    faults: Mapping[str, int]
    """By word, how many faults are in force on flows and on the door."""
