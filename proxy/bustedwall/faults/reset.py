"""`reset`: a RST, as an aborting program, a firewall or a load balancer sends it."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, ClassVar

from pydantic import Field

from bustedwall.faults.fault import Damage, Fault
from bustedwall.terms.commands import Reset
from bustedwall.terms.items import RST
from bustedwall.terms.leg import Leg


class Whose(Enum):
    """Which legs a reset ends."""

    CLIENT = "client"
    SERVER = "server"
    BOTH = "both"

    def legs(self) -> tuple[Leg, ...]:
        """Return the legs meant."""
        return tuple(Leg) if self is Whose.BOTH else (Leg(self.value),)


class ResetFault(Fault):
    """End a leg with a RST.

    On the wire: RST|ACK, once (SO_LINGER 0 and close; the kernel sends it, RFC 9293 §3.10.4).
    The peer: the next call of any kind fails with ECONNRESET, once; after it send gives EPIPE
    and recv gives end of file. Bytes that it had received stay readable before that. A peer that
    has seen our FIN gets EPIPE and end of file instead.
    The other leg is left as it is: what it sends is read and thrown away, and it is reset when it
    has been alone for 30 s.
    """

    word: ClassVar[str] = "reset"
    value: ClassVar[str] = "leg"

    leg: Whose
    """`client`, `server` or `both`."""
    flush: Annotated[bool, Field(strict=True)] = False
    """True: first let go out what is queued for the leg, for at most 1 s.

    Without it a RST overtakes what our kernel has not sent yet, and that is lost: measured, a slow
    reader got 4,096 of 200,000 bytes.
    """

    def arm(self) -> Damage:
        """Return endings, at once or behind the bytes; there is nothing to heal."""
        legs = self.leg.legs()
        if self.flush:
            return Damage(inject={leg.other: RST for leg in legs})
        return Damage(at_once=tuple(Reset(leg) for leg in legs))
