"""Which legs a fault is for."""

from __future__ import annotations

from enum import Enum

from bustedwall.terms.leg import Leg


class Whose(Enum):
    """One leg, or both."""

    CLIENT = "client"
    SERVER = "server"
    BOTH = "both"

    def legs(self) -> tuple[Leg, ...]:
        """Return the legs meant."""
        return tuple(Leg) if self is Whose.BOTH else (Leg(self.value),)
