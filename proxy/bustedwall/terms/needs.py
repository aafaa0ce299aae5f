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
    LOSE_ACKS = "lose-acks"
    """Lose the bare ACKs that leave from one connection, and no data, by a table of nftables; the kernel asks
    CAP_NET_ADMIN for that."""
    VANISH = "vanish"
    """Close a connection so that its peer hears nothing, and a bare RST when it next speaks."""

    REJECT = "reject"
    """Answer a segment as a host that knows no such connection, by a RST of our own making; the kernel asks
    CAP_NET_RAW for that."""
    UNREACHABLE = "unreachable"
    """Answer a SYN as a router that cannot pass it on, by ICMP; the kernel asks CAP_NET_RAW for that."""
    CAPTURE = "capture"
    """See the packets of a connection as they are on the wire; the kernel asks CAP_NET_RAW for that."""

    @property
    def privilege(self) -> str | None:
        """Return the capability that a kernel may rightly ask for it, if any."""
        return _PRIVILEGES.get(self)

    @property
    def privileged(self) -> bool:
        """Tell whether a kernel may rightly ask a privilege for it."""
        return self.privilege is not None


_PRIVILEGES = {
    Ability.LOSE_SOME: "CAP_NET_ADMIN",
    Ability.LOSE_ACKS: "CAP_NET_ADMIN",
    Ability.REJECT: "CAP_NET_RAW",
    Ability.UNREACHABLE: "CAP_NET_RAW",
    Ability.CAPTURE: "CAP_NET_RAW",
}


def way_to(capability: str) -> str:
    """Say how to get a capability."""
    return (
        f"{capability}: docker run --cap-add {capability.removeprefix('CAP_')}, AmbientCapabilities={capability} in a "
        "systemd unit, or a network namespace of one's own (unshare -Urn)"
    )


Needs = frozenset[Ability]

NOTHING: Needs = frozenset()
