"""What the kernel itself counted: proof that a loss met traffic, or that it did not.

A loss of what arrives shows in SO_MEMINFO's drops with tcpi_segs_in standing still; dropped segments
are never in segs_in. Drops alone prove nothing: answered keepalives and duplicates count there, too.
A loss of what we send shows as bytes that stay unacknowledged. Measured on Linux 6.18.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum

SO_MEMINFO = 55
SIOCOUTQNSD = 0x894B

_INT = struct.Struct("i")
_DROPS = 32
"""Offset of the ninth number of SO_MEMINFO, SK_MEMINFO_DROPS (linux/sock_diag.h)."""

_INFO_SIZE = 216
# struct tcp_info of linux/tcp.h; older kernels return fewer bytes, and the rest reads as 0.
_INFO = struct.Struct("=BxB21xI24xI12xI28xI16xQ12xI56xQ8x")
"""state, retransmits, unacked, last_data_recv, rtt, total_retrans, bytes_acked, segs_in, bytes_sent."""

STATES = (
    "",
    "established",
    "syn-sent",
    "syn-recv",
    "fin-wait-1",
    "fin-wait-2",
    "time-wait",
    "close",
    "close-wait",
    "last-ack",
    "listen",
    "closing",
    "new-syn-recv",
)
"""Names of tcpi_state (net/tcp_states.h)."""


class Verdict(Enum):
    """What the counters say about a loss."""

    EFFECTIVE = "effective"
    """Segments were lost."""
    NO_TRAFFIC = "no traffic met it"
    """Nothing came or went that could have been lost."""
    INEFFECTIVE = "ineffective on this path"
    """Segments passed in spite of it."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A connected socket's counters at one moment."""

    state: int
    retransmits: int
    """Retransmissions of the oldest unacknowledged segment so far."""
    unacked: int
    """Segments that were sent and not acknowledged."""
    last_data_recv: int
    """Milliseconds since bytes last arrived, in steps of a jiffy."""
    rtt_us: int
    total_retrans: int
    """Segments retransmitted so far."""
    bytes_acked: int
    """Bytes that the peer has acknowledged; our SYN and FIN count as one each."""
    segs_in: int
    bytes_sent: int
    """Bytes sent so far, retransmissions included."""
    bytes_retrans: int
    drops: int
    """Segments that arrived and were thrown away."""
    unsent: int
    """Bytes that our kernel has accepted and not sent even once."""

    @property
    def sent_once(self) -> int:
        """Return how many different bytes have been sent so far."""
        return self.bytes_sent - self.bytes_retrans
