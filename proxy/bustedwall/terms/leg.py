"""The two TCP connections of a flow."""

from __future__ import annotations

from enum import Enum


class Leg(Enum):
    """One of a flow's two connections, named by who is at its far end."""

    CLIENT = "client"
    SERVER = "server"

    __hash__ = object.__hash__  # members are single; Enum's own hash is a Python call, on every lookup

    other: Leg
    """The flow's other leg; an attribute, because it is asked for several times in every event."""


Leg.CLIENT.other, Leg.SERVER.other = Leg.SERVER, Leg.CLIENT


LEGS = tuple(Leg)
"""Both; a loop over the class itself calls Python code for each of them."""
