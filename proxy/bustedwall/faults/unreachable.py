"""`unreachable`: a router says that the host cannot be reached, or may not be."""

from __future__ import annotations

from typing import ClassVar

from bustedwall.faults.fault import Damage, Fault, LastingFault, Page, Shared
from bustedwall.faults.refuse import RefuseFault
from bustedwall.terms.dice import Dice
from bustedwall.terms.door import Door, DoorMode
from bustedwall.terms.needs import Ability, Needs
from bustedwall.terms.unreachable import Unreachable


class UnreachableFault(LastingFault):
    """Answer every SYN by ICMP, Destination Unreachable."""

    word: ClassVar[str] = "unreachable"
    value: ClassVar[str] = "why"
    at_door: ClassVar[bool] = True
    page: ClassVar[Page] = Page(
        summary="Answer every new connection by ICMP: no route to the host, or a firewall that rejects.",
        examples=("unreachable: host", "unreachable: prohibited", "unreachable: {why: network, for: 5s}"),
        wire="SYN, and ICMP Destination Unreachable from an address of this host: over IPv4 type 3 with code 1 (host), "
        "0 (network), 13 (prohibited), 3 (port); over IPv6 type 1 with code 3, 0, 1, 4.",
        client="connect fails at once: EHOSTUNREACH for `host`, ENETUNREACH for `network`, ECONNREFUSED for `port`; "
        "for `prohibited` EHOSTUNREACH over IPv4 and EACCES over IPv6. Connections that are open go on.",
        server="It is not asked.",
        healing="The next SYN is let in.",
        faithful="exact for new connections; the ICMP message comes from this host and not from a router on the way. "
        "A firewall that does the same to an open connection is heard only when the client gives up, as what "
        "`recv` reports instead of ETIMEDOUT; that is not shown here.",
        source="RFC 792; RFC 1812 §5.2.7.1; RFC 4443 §3.1; tcp_v4_err and icmp_err_convert in Linux; a packet socket "
        "and a raw socket, which ask CAP_NET_RAW; the SYN is lost as by `ignore`; measured on Linux 6.18",
    )

    why: Unreachable
    """What is said: `host` (nobody answers there), `network` (no way there), `prohibited` (a rule forbids it), `port`
    (nobody listens)."""

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return the state of the door."""
        return Damage(door=Door(DoorMode.UNREACHABLE, why=self.why))

    def needs(self) -> Needs:
        """Return that SYNs have to be lost, and answered."""
        return frozenset({Ability.LOSE_SYN, Ability.UNREACHABLE})

    def approximation(self) -> Fault | None:
        """Return that nobody listens: it fails as fast, with another errno."""
        return RefuseFault()
