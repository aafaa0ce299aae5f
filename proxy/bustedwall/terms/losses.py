"""What the kernel is told to lose on one leg."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Way(Enum):
    """Which way the lost segments travel, seen from us."""

    FROM = "from"
    """What the peer of the leg sent never reaches us."""
    TO = "to"
    """What we send never reaches the peer of the leg."""

    __hash__ = object.__hash__  # members are single; Enum's own hash is a Python call


class What(Enum):
    """Which segments are lost."""

    ALL = "all"
    """Every segment: data, ACK, FIN and RST."""

    __hash__ = object.__hash__  # as above


@dataclass(frozen=True, slots=True)
class Loss:
    """One kind of loss on one leg; the losses of a leg are a set, so arming twice is arming once."""

    way: Way
    what: What = What.ALL


Losses = frozenset[Loss]

NO_LOSS: Losses = frozenset()
