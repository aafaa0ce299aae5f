"""`drop`: segments lost, in the kernel, on one leg, one way."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Annotated, ClassVar, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from bustedwall.faults.fault import Damage, LastingFault, Page, Shared, Stage
from bustedwall.faults.holding import Holding
from bustedwall.terms.dice import Dice
from bustedwall.terms.items import Bytes, Item
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import Loss, Way
from bustedwall.terms.needs import Ability, Needs


class Lost(Enum):
    """What of one leg, one way, is lost."""

    ALL = "all"
    ACKS = "acks"
    NEXT_WRITE = "next_write"


_LATER = ("data", "fin", "rst", "keepalives")


def _known(value: object) -> object:
    if value in _LATER:
        what = "'drop: {what}' is selective loss, which needs CAP_NET_ADMIN and is not in this version"
        raise PydanticCustomError("later", what + ": 'drop: all' needs nothing", {"what": value})
    return value


class NextWrite(Stage):
    """Marks the next bytes as lost, once."""

    __slots__ = ("_done",)

    def __init__(self) -> None:
        self._done = False

    def feed(self, item: Item, now: float) -> Iterable[Item]:
        """Pass the item on, marked if it is the one."""
        if self._done or not isinstance(item, Bytes):
            return (item,)
        self._done = True
        return (Bytes(item.data, lost=True),)


class DropFault(LastingFault):
    """Lose all segments of one leg, one way; or only ACKs, or only one write, on their way to it."""

    word: ClassVar[str] = "drop"
    value: ClassVar[str] = "what"
    page: ClassVar[Page] = Page(
        summary="Lose segments of one leg, one way.",
        examples=(
            "drop: all from client",
            "drop: all to client",
            "drop: {what: all, from: server, for: 10s}",
            "drop: acks to client",
            "drop: next_write to client",
        ),
        wire="`all from`: the peer's segments arrive, no ACK answers them, it retransmits with doubling gaps, 0.2, "
        "0.4, 0.85, 1.7 s after its segment and so on; ours still go out. `all to`: our segments, data and ACKs, leave "
        "and are discarded by the next IP stack; both sides retransmit. `acks to`: the same, but our own data is held "
        "back meanwhile, so that only pure ACKs are lost: the peer retransmits what was read and delivered long ago. "
        "`next_write to`: the first transmission of the next bytes is lost, and TCP repairs it with its first "
        "retransmission. Bytes that cannot leave at once, because the peer does not read, are not lost; the fact "
        "`write-lost` says how many.",
        client="send succeeds until its buffer is full, recv waits; ETIMEDOUT when its own limit is reached "
        "(tcp_retries2, about 15 minutes on Linux, or TCP_USER_TIMEOUT). After `next_write` it only waits: about 0.2 s "
        "on a fast path.",
        server="With `all from client` it never hears of the request. With `all to client` it has the request, has "
        "answered, and its answer is lost: the trap of the request that is repeated.",
        healing="The peer is heard again at its next retransmission, after about as long as the loss lasted.",
        faithful="exact where the next IP stack is Linux; others were not tried. A loss holds from what our kernel had "
        "ACKed when it was armed: at `{bytes: N, from: server}` a client that answers byte N at once may be heard "
        "before `drop: all from client` is set (129 of 160 tries on loopback).",
        source="from: IP_MINTTL or IPV6_MINHOPCOUNT 255, RFC 5082; to: a record-route option that is malformed on "
        "arrival, RFC 791 §3.1, each answered by an ICMP parameter problem, in IPv6 a segment-routing header, RFC "
        "8754; measured on Linux 6.18",
    )

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["from"]}, {"required": ["to"]}]})

    what: Annotated[Lost, BeforeValidator(_known)]
    """Which segments: `all`; `acks`, only with `to`; `next_write`, only with `to`: the bytes that go out next."""
    source: Annotated[Leg | None, Field(alias="from")] = None
    """Lose what this leg's peer sends; a drop has either `from` or `to`."""
    target: Annotated[Leg | None, Field(alias="to")] = None
    """Lose what is sent to this leg's peer."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.source is None) == (self.target is None):
            raise PydanticCustomError("one_way", "a drop is either from or to a leg, as in 'drop: all from client'")
        if self.source is not None and self.what is not Lost.ALL:
            word = self.what.value
            what = "without CAP_NET_ADMIN '{what}' can be lost only on the way to a leg: 'drop: {what} to {leg}'"
            raise PydanticCustomError("one_way", what, {"what": word, "leg": self.source.other.value})
        return self

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return one loss on one leg; for what is lost selectively, a stage beside or instead of it."""
        if self.source is not None:
            return Damage(losses={self.source: frozenset({Loss(Way.FROM)})})
        assert self.target is not None
        if self.what is Lost.NEXT_WRITE:
            return Damage(stages={self.target.other: NextWrite()})
        ours = {self.target: frozenset({Loss(Way.TO)})}
        return Damage(losses=ours, stages={self.target.other: Holding()} if self.what is Lost.ACKS else {})

    def needs(self) -> Needs:
        """Return the loss."""
        return frozenset({Ability.LOSE_FROM if self.source is not None else Ability.LOSE_TO})
