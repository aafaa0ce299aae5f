"""What the kernel itself counted: proof that a loss met traffic, or that it did not.

What arrives and is lost shows in SO_MEMINFO's drops, with tcpi_segs_in standing still: dropped
segments are never in segs_in. Drops alone prove nothing, because answered keepalives, window probes
and duplicates count there, too.
What leaves and is lost shows as bytes that had to be sent again, or as the peer's, which come again
because our ACKs did not come: more drops than there were segments without data.
A filter spares some of what arrives, so that segs_in goes on; then more drops than there were segments
without data are proof. What it cuts off a piece of several segments is not counted at all.
Neither can be faked by a path on which the loss has no effect: there segs_in goes up, or bytes that
were first sent under the loss are acknowledged. Measured on Linux 6.18.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from dataclasses import dataclass

from bustedwall.kernel.loss import dropped
from bustedwall.kernel.sockets import TCP, Socket
from bustedwall.terms.losses import Loss, Losses, Way, What
from bustedwall.terms.verdict import Verdict

_INT = struct.Struct("i")
_QUEUED = bytes(_INT.size)

_INFO = struct.Struct("=B7xI88xI16xQ8xIII4xI60xI")
"""struct tcp_info, linux/tcp.h: state, rto, total_retrans, bytes_acked, segs_out, segs_in, notsent_bytes,
data_segs_in, dsack_dups. Older kernels return fewer bytes, and the rest reads as 0."""

_U32 = (1 << 32) - 1

_TRIES = 10
"""Readings at most; on loopback at full speed the second one was of one moment."""

STATES = (
    "gone",
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
"""Names of tcpi_state, net/tcp_states.h; the first is for a socket that is no more."""

_HEARS_AN_END = frozenset({"established", "syn-recv", "fin-wait-1", "fin-wait-2", "close-wait"})
"""States in which closing sends a FIN or a RST, or has sent its FIN already (tcp_need_reset, tcp_close_state)."""


_FIN_CAME = frozenset({"time-wait", "close-wait", "last-ack", "closing"})
"""States that the peer's FIN leads to (RFC 9293 §3.3.2)."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A connection's counters at one moment."""

    state: str
    rto: float
    """Seconds after which the kernel sends again what is not acknowledged."""
    retransmitted: int
    """Segments sent again so far."""
    acknowledged: int
    """Bytes that the peer has acknowledged; a SYN and a FIN of ours count as one each."""
    segments_out: int
    segments_in: int
    """Segments that have reached TCP."""
    data_segments_in: int
    """Those of them that carried data."""
    repeated: int
    """Segments of which the peer said that it had them already (duplicate SACK, RFC 2883)."""
    drops: int
    """Segments that arrived and were thrown away, before TCP or by it."""
    unsent: int
    """Bytes that our kernel has accepted and not sent even once."""
    in_flight: int
    """Bytes that were sent and are not acknowledged; our FIN counts as one."""

    @property
    def hears_an_end(self) -> bool:
        """Tell whether there is a peer that could hear how the connection is ended."""
        return self.state in _HEARS_AN_END


GONE = Snapshot("gone", *[0] * 10)
"""Of a socket that is closed already."""


def snapshot(sock: Socket) -> Snapshot:
    """Read a connected socket's counters, all of one moment; five calls or more, about 5 us.

    What TCP_INFO does not have is read before it and after it: an ACK that came in between would be
    in one number and not in the other (seen once in 500 tests).
    """
    queued, drops = _beside(sock)
    for _ in range(_TRIES):
        info = sock.getsockopt(TCP, socket.TCP_INFO, _INFO.size)
        before, (queued, drops) = (queued, drops), _beside(sock)
        if before == (queued, drops):
            break
    state, rto, resent, acked, out, arrived, unsent, data, repeated = _INFO.unpack(info.ljust(_INFO.size, b"\0"))
    return Snapshot(
        STATES[state],
        rto / 1e6,
        resent,
        acked,
        out,
        arrived,
        data,
        repeated,
        drops,
        unsent,
        max(0, queued - unsent),
    )


def _beside(sock: Socket) -> tuple[int, int]:
    """Return how many bytes are queued for sending, sent or not, and how many segments were thrown away."""
    return int(_INT.unpack(fcntl.ioctl(sock, termios.TIOCOUTQ, _QUEUED))[0]), dropped(sock)


@dataclass(frozen=True, slots=True)
class Tally:
    """What happened between two snapshots of a leg while something was lost on it, and what came of it later."""

    begun: Snapshot
    """Right after the loss took hold."""
    ended: Snapshot
    """Right before it was lifted, or at the end of the leg."""
    later: Snapshot
    """When the kernel had had time to send again what was lost; `ended` where there was no later."""

    @property
    def thrown_away(self) -> int:
        """Segments that arrived and were discarded."""
        return self.ended.drops - self.begun.drops & _U32

    @property
    def arrived(self) -> int:
        """Segments that reached TCP."""
        return self.ended.segments_in - self.begun.segments_in & _U32

    @property
    def arrived_with_data(self) -> int:
        """Segments that reached TCP and carried data."""
        return self.ended.data_segments_in - self.begun.data_segments_in & _U32

    @property
    def filtered(self) -> bool:
        """Tell whether some of what was thrown away never reached TCP.

        TCP counts a segment as arrived before it throws it away itself, and of those with data it throws
        away only what it has already: what an ACK of ours that was lost would bring.
        """
        return self.thrown_away > self.arrived - self.arrived_with_data

    @property
    def sent(self) -> int:
        """Segments that left, bare ACKs too."""
        return self.ended.segments_out - self.begun.segments_out & _U32

    @property
    def sent_again(self) -> int:
        """Segments that had to be sent again, until the later look."""
        return self.later.retransmitted - self.begun.retransmitted & _U32

    @property
    def first_sent(self) -> int:
        """Bytes that were sent for the first time meanwhile."""
        acknowledged = self.ended.acknowledged - self.begun.acknowledged
        return max(0, self.ended.in_flight + acknowledged - self.begun.in_flight)

    @property
    def acknowledged(self) -> int:
        """Bytes that were sent for the first time meanwhile, and acknowledged without being sent again after it."""
        last = self.later if self.later.retransmitted == self.ended.retransmitted else self.ended
        beyond = last.acknowledged - self.begun.acknowledged - self.begun.in_flight
        return min(max(0, beyond), self.first_sent)

    @property
    def had_already(self) -> bool:
        """Tell whether the peer said, when bytes were sent again, that they had come the first time.

        Each time, for on a busy machine TCP also sends again what has only just arrived.
        """
        again = self.later.retransmitted - self.ended.retransmitted & _U32
        return not self.begun.in_flight and (self.later.repeated - self.ended.repeated & _U32) >= max(1, again)

    @property
    def missed(self) -> bool:
        """Tell whether the counters prove that something sent has not arrived."""
        resent = (self.ended.retransmitted - self.begun.retransmitted) & _U32
        if (self.first_sent and self.sent_again) or (self.ended.in_flight and resent):
            return True
        return bool(self.sent) and self.repeated

    @property
    def repeated(self) -> bool:
        """Tell whether the peer sent again what we have, which TCP throws away: our ACKs have not come."""
        data = self.later.data_segments_in - self.begun.data_segments_in & _U32
        without_data = (self.later.segments_in - self.begun.segments_in & _U32) - data
        return (self.later.drops - self.begun.drops & _U32) > without_data


def judge(losses: Losses, tally: Tally) -> Verdict:
    """Say what the counters prove about what is lost on a leg.

    While both ways are lost no ACK can come in, so that bytes which were not acknowledged prove
    nothing about the way out; that these reached the peer shows only later.
    """
    ways = {loss.way for loss in losses if not loss.selective}
    some = {loss for loss in losses if loss.selective and not loss.muted}
    muted = any(loss.muted for loss in losses) and bool(tally.arrived_with_data)
    from_, to = Way.FROM in ways, Way.TO in ways
    if (
        (from_ and tally.arrived)
        or (to and (tally.acknowledged or (tally.first_sent and tally.had_already)))
        or any(_got_through(loss, tally) for loss in some)
    ):
        return Verdict.INEFFECTIVE
    if (
        (from_ and tally.thrown_away)
        or (some and tally.filtered)
        or (to and tally.missed)
        or (muted and tally.repeated)
    ):
        return Verdict.EFFECTIVE
    cut = any(loss.drawn_for_each for loss in some) and tally.arrived_with_data  # of which the kernel counts nothing
    unproven = cut or muted or (to and tally.sent) or (some and tally.thrown_away)
    return Verdict.UNPROVEN if unproven else Verdict.NO_TRAFFIC


def _got_through(loss: Loss, tally: Tally) -> bool:
    """Tell whether something reached TCP of which each segment was to be lost."""
    if not loss.whole:
        return False
    match loss.what:
        case What.DATA:
            return bool(tally.arrived_with_data)
        case What.ACKS:  # a FIN, or a RST, carries no data, either
            return tally.arrived - tally.arrived_with_data > (tally.begun.state != tally.ended.state)
        case What.FIN:
            return tally.begun.state not in _FIN_CAME and tally.ended.state in _FIN_CAME
        case _:
            return False


def may_change(losses: Losses, tally: Tally) -> bool:
    """Tell whether a later look could say more than this one."""
    ways = {loss.way for loss in losses if not loss.selective}
    if not tally.sent or not (Way.TO in ways or any(loss.muted for loss in losses)):
        return False
    unproven = judge(losses, tally) is Verdict.UNPROVEN
    return unproven or (Way.FROM in ways and bool(tally.first_sent) and not tally.arrived)
