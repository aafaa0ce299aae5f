"""`late_dial`: the client is connected, and nobody asks the server yet."""

from __future__ import annotations

from typing import ClassVar

from bustedwall.faults.fault import Damage, LastingFault, Page, Shared, Undialled
from bustedwall.terms.dice import Dice


class LateDialFault(LastingFault):
    """Do not dial the upstream for a while, though the client is connected."""

    word: ClassVar[str] = "late_dial"
    value: ClassVar[str] = "for"
    at_accept: ClassVar[bool] = True
    page: ClassVar[Page] = Page(
        summary="Do not dial the server for a while, or until the client has spoken: a SYN proxy is in front of it.",
        examples=("late_dial", "late_dial: 3s", "late_dial: {until: data}", "late_dial: {until: data, for: 10s}"),
        wire="The client's handshake is completed, what it sends is ACKed and kept in our kernel. No SYN goes to the "
        "server before the fault has ended.",
        client="connect and send succeed at once. recv waits; where the server is not there, ECONNRESET comes that "
        "much later.",
        server="accept waits. Then the server gets what the client has sent meanwhile, all at once. With `until: data` "
        "it is asked when the client has spoken: a protocol in which the server speaks first (SMTP, SSH, MySQL) stands "
        "still.",
        healing="The server is dialled.",
        faithful="exact. A SYN proxy answers the handshake itself, and connects to the server when that is completed, "
        "or when the first data has come.",
        source="RFC 4987 §3.6 (SYN proxies). It is for rules with `when: accept`: then the upstream is not yet dialled",
    )

    until: Undialled = Undialled.HEALED
    """What else ends it: `data`, the client's first bytes or its FIN; `healed`, nothing."""

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return that nobody is dialled."""
        return Damage(undialled=self.until)
