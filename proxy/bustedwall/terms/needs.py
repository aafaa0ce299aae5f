"""What a fault needs of the kernel beyond what every TCP socket can do."""

from __future__ import annotations

from enum import Enum


class Ability(Enum):
    """Something that this machine's kernel lets us do, or not; tried at start, never guessed by version."""

    LOSE_FROM = "lose-from"
    """Lose what arrives for one connection, without privilege."""
    LOSE_TO = "lose-to"
    """Lose what leaves from one connection, without privilege."""
    LOSE_SYN = "lose-syn"
    """Lose the SYNs that arrive for one listener, without privilege."""
    VANISH = "vanish"
    """Close a connection so that its peer hears nothing, and a bare RST when it next speaks."""


Needs = frozenset[Ability]

NOTHING: Needs = frozenset()
