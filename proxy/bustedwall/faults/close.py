"""`close`: the program at the far end closes its socket, politely."""

from __future__ import annotations

from typing import ClassVar

from bustedwall.faults.ending import EndingFault
from bustedwall.faults.fault import Page
from bustedwall.terms.endings import How


class CloseFault(EndingFault):
    """End a leg with a FIN, as close() does when nothing is unread."""

    word: ClassVar[str] = "close"
    how: ClassVar[How] = How.CLOSE
    page: ClassVar[Page] = Page(
        summary="End a leg with a FIN; whatever comes later is answered by a RST.",
        examples=("close: client", "close: server", "close: both", "close: {leg: client, other: reset}"),
        wire="What had passed, then a FIN. The peer's ACK comes back; its next data segment is answered by a RST.",
        client="recv gives end of file. The first send still succeeds: it is what brings the RST. After that send "
        "gives EPIPE and recv gives end of file; ECONNRESET is never told, because the FIN was seen.",
        server="The same, where the server's leg is meant. Otherwise nothing: what it sends is read and thrown away, "
        "and after 30 s it is reset.",
        healing="",
        faithful="exact. What was unread is read first, or there would be a RST and no FIN: that is `close_unread`. "
        "A peer whose window is closed then gets FIN and RST together; it could not send what would bring the RST.",
        source="RFC 9293 §3.6 and §3.10.4; measured on Linux 6.18",
    )
