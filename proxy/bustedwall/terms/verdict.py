"""What the kernel's counters say about damage that was done."""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    """Whether damage had the effect that it was meant to have; never more than what was counted."""

    EFFECTIVE = "effective"
    """Segments were lost, or an ending was sent: counters prove it."""
    NO_TRAFFIC = "no traffic met it"
    """Nothing came or went that could have been lost; or there was no connection left to end."""
    INEFFECTIVE = "ineffective on this path"
    """Segments passed in spite of it; or an ending could not be heard, or not be kept from being heard."""
    UNPROVEN = "not proven"
    """Segments met it, and the connection ended before it could show what became of them."""
