"""`blackhole`: nothing reaches or leaves a leg any more."""

from __future__ import annotations

from typing import ClassVar

from bustedwall.faults.fault import Damage, Fault, LastingFault, Page, Shared
from bustedwall.faults.whose import Whose
from bustedwall.terms.dice import Dice
from bustedwall.terms.losses import Loss, Way
from bustedwall.terms.needs import Ability, Needs


class BlackholeFault(LastingFault):
    """Lose all segments of a leg, both ways."""

    word: ClassVar[str] = "blackhole"
    value: ClassVar[str] = "leg"
    page: ClassVar[Page] = Page(
        summary="Lose every segment of a leg, both ways: a pulled cable.",
        examples=("blackhole: client", "blackhole: both", "blackhole: {leg: server, for: 10s}"),
        wire="The peer retransmits, 0.2, 0.4, 0.85, 1.7 s after its segment and so on; nothing is ACKed. What we send "
        "leaves and is discarded by the next IP stack.",
        client="send succeeds until its buffer is full, recv waits. When its own limit is reached (tcp_retries2, about "
        "15 minutes, or TCP_USER_TIMEOUT) a call fails with ETIMEDOUT, once; then send gives EPIPE. A client that only "
        "reads waits for ever, unless it has keepalives.",
        server="The same, where the server's leg is meant. Otherwise it hears nothing new.",
        healing="The peers hear each other at their next retransmission, after about as long as the loss lasted.",
        faithful="exact where the next IP stack is Linux; others were not tried. A peer that gives up sends no RST, as "
        "with a real cable.",
        source="IP_MINTTL and a malformed record route, in IPv6 IPV6_MINHOPCOUNT and a routing header; measured on "
        "Linux 6.18",
    )

    leg: Whose
    """Which leg: `client`, `server` or `both`."""

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return losses, both ways."""
        return Damage(losses=dict.fromkeys(self.leg.legs(), frozenset({Loss(Way.FROM), Loss(Way.TO)})))

    def needs(self) -> Needs:
        """Return both losses."""
        return frozenset({Ability.LOSE_FROM, Ability.LOSE_TO})

    def approximation(self) -> Fault | None:
        """Return none: to hold bytes that were ACKed is the opposite for the sender."""
        return None
