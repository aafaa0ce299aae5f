"""`close_unread`: the program at the far end closes while it has something unread."""

from __future__ import annotations

from typing import ClassVar

from bustedwall.faults.ending import EndingFault
from bustedwall.faults.fault import Page
from bustedwall.terms.endings import How


class CloseUnreadFault(EndingFault):
    """End a leg by close() with bytes unread: a RST, and no FIN."""

    word: ClassVar[str] = "close_unread"
    how: ClassVar[How] = How.CLOSE_UNREAD
    page: ClassVar[Page] = Page(
        summary="End a leg by closing it with bytes unread; it waits for some.",
        examples=("close_unread: client", "close_unread: server"),
        wire="From now on the leg is not read. As soon as something has arrived, and been ACKed, a RST|ACK goes out; "
        "there is no FIN.",
        client="Its send succeeds. The next call of any kind fails with ECONNRESET, once; after it send gives EPIPE "
        "and recv gives end of file. A response that had arrived stays readable before that.",
        server="The same, where the server's leg is meant. Otherwise nothing: what it sends is read and thrown away, "
        "and after 30 s it is reset.",
        healing="",
        faithful="exact: it is what a killed or a careless server does to a request that it has not read",
        source="RFC 2525 §2.17, RFC 9293 §3.6.1; tcp_close() in Linux; measured on Linux 6.18",
    )
