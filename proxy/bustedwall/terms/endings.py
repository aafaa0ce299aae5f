"""How a leg can be ended from our side."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class How(Enum):
    """What our kernel is told to do to a leg's socket."""

    RESET = "reset"
    """close() with SO_LINGER 0: RST|ACK; what is queued is lost."""
    CLOSE = "close"
    """close() with an empty receive queue: a FIN behind what is queued; a RST to whatever comes later."""
    CLOSE_UNREAD = "close-unread"
    """close() with bytes unread, waiting for some: a RST and no FIN (RFC 2525 §2.17)."""
    HALF_CLOSE = "half-close"
    """shutdown(SHUT_WR): a FIN behind what is queued; the leg is still read."""
    VANISH = "vanish"
    """The state is gone without a segment; whatever comes later meets a bare RST."""


class Other(Enum):
    """What becomes of the other leg once one has ended."""

    KEEP = "keep"
    """It goes on alone: what it sends is read and thrown away, until `limits.orphan`."""
    CLOSE = "close"
    """Closed, by FIN."""
    RESET = "reset"
    """Reset."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of one leg.

    What has left the gate is sent or not, by `how` and `flush`; what is still held before the gate,
    in a stage or behind an offset, is lost and counted.
    """

    how: How
    flush: bool = False
    """For RESET: first let go out what is queued, for at most a second."""
    ttl: int | None = None
    """For RESET: the TTL, or hop limit, of the RST; None: as our kernel has it."""
    other: Other = Other.KEEP


RESET = Ending(How.RESET)
"""The plain one: a RST at once."""
