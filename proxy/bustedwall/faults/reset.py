"""`reset`: a RST, as an aborting program, a firewall or a load balancer sends it."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from bustedwall.faults.ending import EndingFault
from bustedwall.faults.fault import Page
from bustedwall.terms.endings import Ending, How


class ResetFault(EndingFault):
    """End a leg with a RST."""

    word: ClassVar[str] = "reset"
    how: ClassVar[How] = How.RESET
    page: ClassVar[Page] = Page(
        summary="End a leg with a RST, now.",
        examples=(
            "reset: client",
            "reset: server",
            "reset: both",
            "reset: {leg: client, flush: true, other: close}",
            "reset: {leg: client, ttl: 3}",
        ),
        wire="One RST|ACK, and nothing after it. Without `flush` it overtakes what our kernel has not sent yet, and "
        "that is lost: a slow reader got 4,096 of 200,000 bytes. With `flush` all that had passed is sent first, for "
        "at most 1 s. With `ttl` the RST leaves as from a device that is nearer or farther, as a capture at the peer "
        "shows it; a router where it is used up discards it, and answers our kernel by ICMP.",
        client="The next call of any kind fails with ECONNRESET, once; after it send gives EPIPE and recv gives end of "
        "file. Bytes that had arrived stay readable before that. A client that has seen our FIN gets EPIPE and end of "
        "file instead; one that is still connecting gets ECONNREFUSED. If the `ttl` is used up on the way it hears "
        "nothing, and its next segment meets a bare RST, as after `vanish`.",
        server="The same, where the server's leg is meant. Otherwise nothing: what it sends is read and thrown away, "
        "and after 30 s it is reset.",
        healing="",
        faithful="exact",
        source="RFC 9293 §3.10.5 (ABORT) and §3.10.7.4; SO_LINGER with 0 and close(); ttl: IP_TTL, IPV6_UNICAST_HOPS; "
        "measured on Linux 6.18",
    )

    flush: Annotated[bool, Field(strict=True)] = False
    """Whether what has passed for the leg is sent first, for at most 1 s."""

    ttl: Annotated[int | None, Field(ge=1, le=255, strict=True)] = None
    """The TTL of the RST, in IPv6 its hop limit, from 1 to 255; without it that of all that our kernel sends, mostly
    64. It is for the RST to `leg`, not for that of `other: reset`."""

    def ending(self) -> Ending:
        """Return a RST, at once or behind what has passed."""
        return Ending(How.RESET, flush=self.flush, other=self.other, ttl=self.ttl)
