"""What a flow's logic can be told. Past tense: it has happened."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.terms.commands import Depth
from bustedwall.terms.items import Item
from bustedwall.terms.leg import Leg


@dataclass(frozen=True, slots=True)
class Accepted:
    """The client's connection was accepted; the upstream is not yet dialled."""


@dataclass(frozen=True, slots=True)
class Opened:
    """Both legs are up; nothing has been read from either."""


@dataclass(frozen=True, slots=True)
class Spoke:
    """There is something to be read from the client, and nobody reads it yet: the upstream is not dialled."""


@dataclass(frozen=True, slots=True)
class DialFailed:
    """No address of the upstream could be connected."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A chunk was read from a leg whose passage said `look`; or, whatever it said, a leg's FIN or RST."""

    source: Leg
    item: Item


@dataclass(frozen=True, slots=True)
class Passed:
    """The relay moved bytes on its own, within the credit that it had."""

    source: Leg
    count: int
    """Bytes that our kernel has accepted for the other leg."""


@dataclass(frozen=True, slots=True)
class Flushed:
    """What a `Flush` command asked for is so."""

    leg: Leg
    depth: Depth = Depth.KERNEL
    """How deep it was to be; it may answer a command that another has followed."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What `Measure` asked for."""

    leg: Leg
    quiet: float
    """Seconds since bytes last arrived from the leg's peer (tcpi_last_data_recv); never too long."""
    segments: int
    """Segments that have arrived from the peer, keepalives and bare ACKs too (tcpi_segs_in)."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A leg that waited to be closed with something unread is closed: it has had some, or nothing can come any more."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class Woke:
    """The time that `Flow.deadline` named has come."""


Event = Accepted | Spoke | Opened | DialFailed | Arrived | Passed | Flushed | Measured | Ended | Woke
