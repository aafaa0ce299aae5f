"""`half_close`: one side has finished sending and goes on reading."""

from __future__ import annotations

from typing import ClassVar

from bustedwall.faults.fault import Damage, Fault, Page, Shared
from bustedwall.faults.whose import Whose
from bustedwall.terms.dice import Dice
from bustedwall.terms.endings import Ending, How


class HalfCloseFault(Fault):
    """Send a FIN to a leg and go on reading it, as shutdown(SHUT_WR) does."""

    word: ClassVar[str] = "half_close"
    value: ClassVar[str] = "leg"
    lossless: ClassVar[bool] = False
    page: ClassVar[Page] = Page(
        summary="Send a FIN to a leg and go on reading it: the harmless twin of `close`.",
        examples=("half_close: client", "half_close: server", "half_close: both"),
        wire="What had passed, then a FIN. Data that the peer sends is still ACKed and goes on to the other leg; there "
        "is no RST.",
        client="recv gives end of file; send succeeds for ever.",
        server="It is still read. What it sends is read and thrown away: the FIN has gone.",
        healing="",
        faithful="exact",
        source="RFC 9293 §3.6 (CLOSE means I have no more data to send); shutdown(2); measured on Linux 6.18",
    )

    leg: Whose
    """To which leg the FIN goes: `client`, `server` or `both`."""

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return half an ending."""
        return Damage(endings=dict.fromkeys(self.leg.legs(), Ending(How.HALF_CLOSE)))
