"""What a proxy's door does to clients that come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from bustedwall.terms.networks import Network
from bustedwall.terms.unreachable import Unreachable


class DoorMode(Enum):
    """How a SYN is answered."""

    OPEN = "open"
    """Accepted, as always."""
    IGNORE_SOME = "ignore-some"
    """Some of what comes is lost: the SYNs of some clients, or what ends their handshakes; others are accepted."""
    FULL = "full"
    """The backlog is full and nobody accepts: one or two are connected and meet silence, the others' SYNs are lost."""
    IGNORE = "ignore"
    """The SYN is lost: the client repeats it and waits."""
    UNREACHABLE = "unreachable"
    """The SYN is lost, and answered by ICMP, as by a router that cannot pass it on, or may not."""
    REFUSE = "refuse"
    """A RST: ECONNREFUSED at once."""


class Knock(Enum):
    """Which segments are lost of those that come to a door."""

    SYN = "syn"
    """SYNs."""
    LAST_ACK = "last_ack"
    """All that would end the handshake: the ACK of our SYN-ACK, and whatever has that ACK in it."""

    __hash__ = object.__hash__  # members are single; Enum's own hash is a Python call


@dataclass(frozen=True, slots=True)
class Ignored:
    """What is lost of some clients at a door."""

    what: Knock
    clients: tuple[Network, ...] = ()
    """Whose; empty: everybody's."""


@dataclass(frozen=True, slots=True)
class Door:
    """A door's state."""

    mode: DoorMode
    first: int | None = None
    """For IGNORE: after so many lost SYNs it opens again by itself; None: never."""
    ignored: frozenset[Ignored] = frozenset()
    """For IGNORE_SOME: what any of these means is lost."""
    why: Unreachable | None = None
    """For UNREACHABLE: what is said."""


OPEN_DOOR = Door(DoorMode.OPEN)
