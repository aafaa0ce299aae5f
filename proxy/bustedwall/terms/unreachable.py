"""What a router says of a packet that it does not pass on."""

from __future__ import annotations

from enum import Enum


class Unreachable(Enum):
    """Why a router says that it does not pass a packet on."""

    HOST = "host"
    """Nobody answers at that address."""
    NETWORK = "network"
    """It knows no way there."""
    PROHIBITED = "prohibited"
    """It may not: a firewall's rule."""
    PORT = "port"
    """Nobody listens there."""

    __hash__ = object.__hash__
