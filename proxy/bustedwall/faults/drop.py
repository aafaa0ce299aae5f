"""`drop`: segments lost, in the kernel, on one leg."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from bustedwall.faults.fault import Damage, LastingFault
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import Loss, Way, What


class DropFault(LastingFault):
    """Lose all segments of one leg, one way.

    `from LEG`: what that peer sends never reaches our TCP. On the wire: its segments arrive, no ACK
    answers them, it retransmits with doubling gaps (0.2, 0.4, 0.8 s …); our own segments still go
    out. The peer: send succeeds until its buffer is full, recv waits; ETIMEDOUT when its own limit
    is reached (tcp_retries2, about 15 minutes on Linux, or TCP_USER_TIMEOUT). Kernel: IP_MINTTL or
    IPV6_MINHOPCOUNT 255 discards each segment before TCP sees it.
    `to LEG`: what we send, data and ACKs, never reaches that peer. It sent its request, we have it,
    it can not know. On the wire: our segments leave and the next IP stack discards them; both sides
    retransmit. Kernel: a malformed record-route option, in IPv6 a segment-routing header; each
    discarded IPv4 segment is answered by an ICMP parameter problem.
    Needs no privilege, is gone with the socket. Faithful for Linux on the far side or any Linux
    router before it; other stacks were not tried.
    A loss holds from what our kernel had ACKed when it was armed. At `{bytes: N, from: server}` the
    client may answer byte N before `drop: all from client` is set, and is heard: a client that
    answered at once was heard in 129 of 160 tries on loopback.
    Heal: the peer is heard again at its next retransmission, after about as long as the loss lasted.
    """

    word: ClassVar[str] = "drop"
    value: ClassVar[str] = "what"

    what: What
    """Which segments: `all`."""
    source: Annotated[Leg | None, Field(alias="from")] = None
    """Lose what this leg's peer sends."""
    target: Annotated[Leg | None, Field(alias="to")] = None
    """Lose what is sent to this leg's peer."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.source is None) == (self.target is None):
            raise PydanticCustomError("one_way", "a drop is either from or to a leg, as in 'drop: all from client'")
        return self

    def arm(self) -> Damage:
        """Return one loss on one leg."""
        if self.source is not None:
            return Damage(losses={self.source: frozenset({Loss(Way.FROM, self.what)})})
        assert self.target is not None
        return Damage(losses={self.target: frozenset({Loss(Way.TO, self.what)})})
