"""`stall`: somebody is alive and does not go on."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, ClassVar

from pydantic import Field

from bustedwall.faults.fault import NO_LIMIT, Damage, LastingFault, Page, Shared
from bustedwall.faults.holding import Holding
from bustedwall.terms.dice import Dice
from bustedwall.terms.leg import Leg


class Manner(Enum):
    """What becomes of bytes that go nowhere."""

    HOLD = "hold"
    ZERO_WINDOW = "zero_window"


class StallFault(LastingFault):
    """Pass on nothing that one side sends."""

    word: ClassVar[str] = "stall"
    value: ClassVar[str] = "how"
    page: ClassVar[Page] = Page(
        summary="Pass on nothing that one side sends; its kernel is told that all is well.",
        examples=(
            "stall: from client",
            "stall: from server",
            "stall: zero_window from client",
            "stall: {from: server, for: 5s}",
        ),
        wire="`hold`: everything is ACKed and kept, up to `limits.flow_held` (16 MiB), after which the window closes. "
        "`zero_window`: nothing more is read; once the receive buffer is full our window is 0, and the peer probes it "
        "after 0.2, 0.7, 1.6, 3.3 s and so on; each probe is answered. FIN and RST are held behind the bytes.",
        client="`hold` from client: send succeeds, recv waits. `zero_window` from client: send blocks when both "
        "buffers are full; TCP_USER_TIMEOUT ends it with ETIMEDOUT although every probe is answered.",
        server="The same, where the server is meant; otherwise recv waits, for ever, because nothing is wrong with its "
        "connection.",
        healing="What is held goes out at once, in order; a closed window opens and the peer goes on at once.",
        faithful="exact. This is not a `blackhole`: there nothing is ACKed.",
        source="RFC 9293 §3.8.6 (window management) and §3.8.6.1 (probes); measured on Linux 6.18",
    )

    how: Manner = Manner.HOLD
    """`hold`: read and keep; `zero_window`: stop reading."""
    source: Annotated[Leg, Field(alias="from")]
    """Whose bytes go nowhere."""

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return a stage that keeps all, or that takes no more."""
        return Damage(stages={self.source: Holding(NO_LIMIT if self.how is Manner.HOLD else 0)})
