"""`vanish`: the connection's state is gone, and nobody was told."""

from __future__ import annotations

from typing import ClassVar

from bustedwall.faults.ending import EndingFault
from bustedwall.faults.fault import Fault, Page
from bustedwall.faults.reset import ResetFault
from bustedwall.terms.endings import How
from bustedwall.terms.needs import Ability, Needs


class VanishFault(EndingFault):
    """End a leg without a segment; the next one that arrives meets a bare RST."""

    word: ClassVar[str] = "vanish"
    how: ClassVar[How] = How.VANISH
    page: ClassVar[Page] = Page(
        summary="Forget a leg without a word; the peer's next segment meets a bare RST.",
        examples=("vanish: client", "vanish: server", "vanish: both"),
        wire="Nothing that the peer could take: our closing RST leaves malformed and dies in the next IP stack. What "
        "the peer sends later is answered by a bare RST, by our kernel, which knows of no such connection.",
        client="Nothing happens. The next send succeeds and brings the RST; the call after it fails with ECONNRESET, "
        "once; then send gives EPIPE and recv gives end of file. A client that only reads waits for ever, unless data "
        "was under way to it: its ACK meets the RST, too.",
        server="The same, where the server's leg is meant. Otherwise nothing: what it sends is read and thrown away, "
        "and after 30 s it is reset.",
        healing="",
        faithful="exact for what the peer's program gets; on the wire one malformed segment is there, which a real "
        "lost state does not send, and in IPv4 an ICMP parameter problem that answers it",
        source="as TCP_REPAIR and close, which needs CAP_NET_ADMIN; measured on Linux 6.18",
    )

    def needs(self) -> Needs:
        """Return that the closing RST has to be lost."""
        return frozenset({Ability.VANISH})

    def approximation(self) -> Fault | None:
        """Return a RST, which the peer gets at once and not at its next segment."""
        return ResetFault(leg=self.leg, other=self.other)
