"""What a proxy's door does to clients that come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class DoorMode(Enum):
    """How a SYN is answered."""

    OPEN = "open"
    """Accepted, as always."""
    FULL = "full"
    """The backlog is full and nobody accepts: one or two are connected and meet silence, the others' SYNs are lost."""
    IGNORE = "ignore"
    """The SYN is lost: the client repeats it and waits."""
    REFUSE = "refuse"
    """A RST: ECONNREFUSED at once."""


@dataclass(frozen=True, slots=True)
class Door:
    """A door's state."""

    mode: DoorMode
    first: int | None = None
    """For IGNORE: after so many lost SYNs it opens again by itself; None: never."""


OPEN_DOOR = Door(DoorMode.OPEN)
