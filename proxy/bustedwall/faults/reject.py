"""`reject`: what one side sends is answered as by a host, or a firewall, that knows no such connection."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from bustedwall.faults.fault import Damage, Fault, LastingFault, Page, Shared
from bustedwall.faults.vanish import VanishFault
from bustedwall.faults.whose import Whose
from bustedwall.terms.dice import Dice
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import Loss, Way
from bustedwall.terms.needs import Ability, Needs


class RejectFault(LastingFault):
    """Answer each segment that one side sends by a bare RST, and lose it; our own side goes on."""

    word: ClassVar[str] = "reject"
    value: ClassVar[str] = "for"
    lossless: ClassVar[bool] = False
    page: ClassVar[Page] = Page(
        summary="Lose what one side sends, and answer each segment by a bare RST: its connection ends, and ours does "
        "not know.",
        examples=("reject: from server", "reject: 1s from server", "reject: {from: client, for: 10s}"),
        wire="A segment arrives, and TCP does not see it: no ACK. A RST without ACK flag, options and window goes back "
        "from our address and port; its sequence number is the one that the segment acknowledges. Nothing else is "
        "sent. What has no ACK, and a RST, is lost without an answer.",
        client="If the client is meant, as below. If the server is: nothing at all. A recv waits for ever. A send "
        "succeeds; while the fault lasts it is repeated, and after that the server's kernel answers it by a RST, which "
        "is passed on: ECONNRESET.",
        server="If the server is meant: ECONNRESET at the next call after the first segment that it sends, once; then "
        "send gives EPIPE and recv gives end of file. An ACK is such a segment, too.",
        healing="Segments reach TCP again. If none has come meanwhile nothing has happened; otherwise the sender is "
        "gone, and our next segment meets its RST.",
        faithful="exact for a packet filter that rejects, and for a NAT that lets through what it should have "
        "translated, so that the far host answers: conntrack calls such a segment INVALID. One segment is enough: "
        "who sent it sends no more. A RST whose number is too small, because we sent something "
        "that the sender acknowledges only later, is ignored (RFC 5961 §3.2), and the next segment is answered "
        "again. What had arrived before it was armed is passed on.",
        source="RFC 9293 §3.10.7.1; nf_reject_ipv4.c in Linux; a raw socket, which asks CAP_NET_RAW; the loss as "
        "`drop: all from`; measured on Linux 6.18",
    )

    source: Annotated[Leg, Field(alias="from")]
    """Whose segments are rejected."""

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return a loss of all that arrives, each segment with its answer."""
        return Damage(losses={self.source: frozenset({Loss(Way.FROM, rejected=True)})})

    def needs(self) -> Needs:
        """Return the loss, and the answer."""
        return frozenset({Ability.LOSE_FROM, Ability.REJECT})

    def approximation(self) -> Fault | None:
        """Return that our side forgets the connection, so that its kernel answers: then our side is gone, too."""
        return VanishFault(leg=Whose(self.source.value))
