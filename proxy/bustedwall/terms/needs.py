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
    LOSE_SOME = "lose-some"
    """Lose some of what arrives for one connection, by a filter; newer kernels ask CAP_NET_ADMIN for that."""
    VANISH = "vanish"
    """Close a connection so that its peer hears nothing, and a bare RST when it next speaks."""

    @property
    def privileged(self) -> bool:
        """Tell whether a kernel may rightly ask a privilege for it."""
        return self is Ability.LOSE_SOME


PRIVILEGE = (
    "CAP_NET_ADMIN: docker run --cap-add NET_ADMIN, AmbientCapabilities=CAP_NET_ADMIN in a systemd unit, or a network "
    "namespace of one's own (unshare -Urn)"
)
"""How to get what is privileged."""

Needs = frozenset[Ability]

NOTHING: Needs = frozenset()
