"""`drop`: segments lost, in the kernel, on one leg, one way."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from functools import cached_property
from typing import Annotated, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from bustedwall.faults.burst import Burst
from bustedwall.faults.fault import Damage, Fault, LastingFault, Page, Shared, Stage
from bustedwall.faults.holding import Holding
from bustedwall.terms.dice import Dice
from bustedwall.terms.items import Bytes, Item
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import Loss, Losses, Way, What
from bustedwall.terms.needs import Ability, Needs
from bustedwall.terms.units import Fraction, Size


class Lost(Enum):
    """What of one leg, one way, is lost."""

    ALL = "all"
    DATA = "data"
    ACKS = "acks"
    FIN = "fin"
    RST = "rst"
    KEEPALIVES = "keepalives"
    NEXT_WRITE = "next_write"


_ON_ARRIVAL = (Lost.DATA, Lost.FIN, Lost.RST, Lost.KEEPALIVES)


class UpTo(Holding):
    """Passes the first bytes and holds what comes behind them: what had arrived before the kernel was told."""

    __slots__ = ("_left",)

    def __init__(self, count: int) -> None:
        super().__init__()
        self._left = count

    def feed(self, item: Item, now: float) -> Iterable[Item]:
        """Pass what is left to pass, cut where that ends."""
        if self.queue:
            return super().feed(item, now)
        if not isinstance(item, Bytes):
            return (item,)
        passed, rest = item.data[: self._left], item.data[self._left :]
        self._left -= len(passed)
        if rest:
            self.put(Bytes(rest, item.lost))
        return (Bytes(passed, item.lost),) if passed else ()


class NextWrite(Stage):
    """Marks the next bytes as lost, once."""

    __slots__ = ("_done", "_step")

    def __init__(self) -> None:
        self._done = False
        self._step = "next_write"

    def armed(self, step: str) -> None:
        """Remember for whom the bytes are lost."""
        self._step = step

    def feed(self, item: Item, now: float) -> Iterable[Item]:
        """Pass the item on, marked if it is the one."""
        if self._done or not isinstance(item, Bytes):
            return (item,)
        self._done = True
        return (Bytes(item.data, self._step),)


class DropFault(LastingFault):
    """Lose segments of one leg, one way: all of them, or some."""

    word: ClassVar[str] = "drop"
    value: ClassVar[str] = "what"
    page: ClassVar[Page] = Page(
        summary="Lose segments of one leg, one way.",
        examples=(
            "drop: all from client",
            "drop: all to client",
            "drop: {what: all, from: server, for: 10s}",
            "drop: acks to client",
            "drop: {what: acks, to: client, hold: false}",
            "drop: next_write to client",
            "drop: data from client",
            "drop: acks from client",
            "drop: fin from server",
            "drop: rst from server",
            "drop: keepalives from client",
            "drop: {what: data, from: client, larger_than: 1kB}",
            "drop: {what: data, from: server, probability: 5%}",
            "drop: {what: data, from: client, beyond: 64KiB}",
            "drop: {what: all, from: client, burst: {good: 2s, bad: 200ms}}",
            "drop: {what: data, from: server, probability: 50%, burst: {good: 2s, bad: 200ms}}",
        ),
        wire="`all from`: the peer's segments arrive, no ACK answers them, it retransmits with doubling gaps, 0.2, "
        "0.4, 0.85, 1.7 s after its segment and so on; ours still go out. `all to`: our segments, data and ACKs, leave "
        "and are discarded by the next IP stack; both sides retransmit. `acks to`: the same, but our own data is held "
        "back meanwhile, so that only pure ACKs are lost: the peer retransmits what was read and delivered long ago. "
        "With `hold: false` our data goes on, with the ACKs that it carries. "
        "`next_write to`: the first transmission of the next bytes is lost, and TCP repairs it with its first "
        "retransmission. Bytes that cannot leave at once, because the peer does not read, are not lost; the fact "
        "`write-lost` says how many. The others, all `from`, are selective, and each segment that is meant arrives and "
        "is thrown away: `data` those with bytes, with the ACK that they carry; `acks` those that are nothing but an "
        "ACK, so that our kernel retransmits what the peer has received; `fin` and `rst` those with that flag; "
        "`keepalives` those that repeat the last byte, as probes of a closed window do, too. `larger_than` spares what "
        "carries so many bytes or fewer, as a path with a smaller MTU that tells nobody. "
        "`beyond` spares the first bytes: nothing past them is "
        "ever acknowledged, and a segment across the limit is acknowledged in part. "
        "With `burst` all passes for a while, then these segments are lost for a while, and so on, as on a link with a "
        "weak signal: a burst ends with the next retransmission that comes after it.",
        client="send succeeds until its buffer is full, recv waits; ETIMEDOUT when its own limit is reached "
        "(tcp_retries2, about 15 minutes on Linux, or TCP_USER_TIMEOUT). After `next_write` it only waits: about 0.2 s "
        "on a fast path. `acks from client` it does not notice. After a lost FIN it goes on in FIN_WAIT1. With its "
        "keepalives lost it gives up after TCP_KEEPCNT of them, with ETIMEDOUT and a RST.",
        server="With `all from client` it never hears of the request. With `all to client` it has the request, has "
        "answered, and its answer is lost: the trap of the request that is repeated. A FIN, or RST, that was lost on "
        "the client's leg it does not hear of.",
        healing="The peer is heard again at its next retransmission, after about as long as the loss lasted.",
        faithful="exact where the next IP stack is Linux; others were not tried. A loss holds from what our kernel had "
        "ACKed when it was armed: at `{bytes: N, from: server}` a client that answers byte N at once may be heard "
        "before `drop: all from client` is set (129 of 160 tries on loopback). With `probability` the kernel draws, "
        "not our seed, and for each segment by itself; but of segments that come as one piece, up to 64 KiB on "
        "loopback and behind cards that put them together, those behind a lost one are lost with it, and unless it was "
        "the first one nothing counts them. `mss` makes the segments of loopback as short as those of a real path; "
        "docs/loss.md has how fast a transfer is then. A burst is a time and not a number of segments: on an idle "
        "connection it meets nothing. Its length, and that of the time before it, are exponentially distributed, as in "
        "Gilbert's model, and drawn by our seed, for each flow by itself. `larger_than` goes "
        "by the segment: of a piece all but the last are as long as we told the peer that they may be (`mss`), so "
        "where that is not larger nothing is lost. Where it is, a piece that is longer is lost as a whole, its short "
        "last segment too. A path with a smaller MTU of its own has shorter segments; pieces of these are taken for "
        "longer ones where our device puts them together (`ethtool -K DEVICE gro off`). With "
        "`beyond`, bytes behind the limit that arrived before it was armed are acknowledged, and held; a segment "
        "across the limit that has a FIN is lost as a whole.",
        source="from: IP_MINTTL or IPV6_MINHOPCOUNT 255, RFC 5082; to: a record-route option that is malformed on "
        "arrival, RFC 791 §3.1, each answered by an ICMP parameter problem, in IPv6 a segment-routing header, RFC "
        "8754; some of what arrives: a classic BPF filter on the socket, net/core/filter.c; ACKs alone: a mark on the "
        "socket and a table of nftables that goes with the process; keepalives: RFC 9293 §3.8.4; measured on Linux "
        "6.18",
    )

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["from"]}, {"required": ["to"]}]})

    what: Lost
    """Which segments: `all`; `acks`; only with `from`: `data`, `fin`, `rst`, `keepalives`; only with `to`:
    `next_write`, the bytes that go out next."""
    source: Annotated[Leg | None, Field(alias="from")] = None
    """Lose what this leg's peer sends; a drop has either `from` or `to`."""
    target: Annotated[Leg | None, Field(alias="to")] = None
    """Lose what is sent to this leg's peer."""
    larger_than: Annotated[Size | None, Field(gt=0)] = None
    """Only with `from`, `all` or `data`: spare segments that carry so many bytes or fewer."""
    probability: Annotated[Fraction, Field(gt=0)] = 1.0
    """Only with `from`: how likely each of these segments is lost; the kernel draws, for each by itself."""
    beyond: Annotated[Size | None, Field(ge=0)] = None
    """Only with `data` and `from`: spare the first bytes, so many from when it is armed; from `accept` on, exactly."""

    burst: Burst | None = None
    """Lose them in bursts, and let all pass between; `good` and `bad` are means, what is drawn around them is seeded.
    Not with `beyond` and `next_write`."""

    hold: bool = True
    """Only with `acks` and `to`: whether our own data waits meanwhile; `false` asks a privilege."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.source is None) == (self.target is None):
            raise PydanticCustomError("one_way", "a drop is either from or to a leg, as in 'drop: all from client'")
        word = self.what.value
        if self.source is not None and self.what is Lost.NEXT_WRITE:
            what = "'{what}' is what we send, and can be lost only on the way to a leg: 'drop: {what} to {leg}'"
            raise PydanticCustomError("one_way", what, {"what": word, "leg": self.source.other.value})
        if self.target is not None and self.what in _ON_ARRIVAL:
            what = "'{what}' can be lost only when it arrives from a leg: 'drop: {what} from {leg}'"
            raise PydanticCustomError("one_way", what, {"what": word, "leg": self.target.other.value})
        return self

    @model_validator(mode="after")
    def _what_is_spared(self) -> Self:
        spares = [key for key in ("larger_than", "probability", "beyond") if key in self.model_fields_set]
        if spares and self.source is None:
            what = "{key} goes with what arrives from a leg, not with what is sent to one"
            raise PydanticCustomError("one_way", what, {"key": spares[0]})
        if self.larger_than is not None and self.what not in (Lost.ALL, Lost.DATA):
            what = "larger_than goes with all and data, not with {what}"
            raise PydanticCustomError("one_way", what, {"what": self.what.value})
        if self.beyond is not None and (self.what is not Lost.DATA or len(spares) > 1 or self.burst is not None):
            what = "beyond goes with data and stands alone, as in '{form}'"
            raise PydanticCustomError("one_way", what, {"form": "{what: data, from: client, beyond: 1kB}"})
        if "hold" in self.model_fields_set and (self.what is not Lost.ACKS or self.target is None):
            what = "hold goes with acks that are sent to a leg, as in '{form}'"
            raise PydanticCustomError("one_way", what, {"form": "{what: acks, to: client, hold: false}"})
        if self.burst is not None and self.what is Lost.NEXT_WRITE:
            raise PydanticCustomError("one_way", "'next_write' is lost once, and burst loses again and again")
        return self

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return one loss on one leg; for what is lost of our own, a stage beside or instead of it."""
        spells = None if self.burst is None else self.burst.spells(dice)
        if self.source is not None:
            if self.beyond is None:
                return Damage(losses=self._losses, spells=spells)
            return Damage(losses=self._losses, stages={self.source: UpTo(self.beyond)})
        assert self.target is not None
        if self.what is Lost.NEXT_WRITE:
            return Damage(stages={self.target.other: NextWrite()}, loses_writes=True)
        stages: dict[Leg, Stage] = {self.target.other: Holding()} if self.what is Lost.ACKS and self.hold else {}
        return Damage(losses=self._losses, stages=stages, spells=spells)

    @cached_property
    def _losses(self) -> dict[Leg, Losses]:
        """What the kernel is to lose, made once and not at each arming."""
        if self.source is not None:
            return {self.source: frozenset({self._arriving})}
        assert self.target is not None
        return {self.target: frozenset({Loss(Way.TO, What.ALL if self.hold else What.ACKS)})}

    @cached_property
    def _arriving(self) -> Loss:
        return Loss(Way.FROM, What(self.what.value), int(self.larger_than or 0), self.probability, self.beyond)

    def needs(self) -> Needs:
        """Return the loss; one that spares some of what arrives is a need of its own."""
        if self.source is None:
            return frozenset({Ability.LOSE_TO if self.hold else Ability.LOSE_ACKS})
        return frozenset({Ability.LOSE_SOME if self._arriving.selective else Ability.LOSE_FROM})

    def approximation(self) -> Fault | None:
        """Return the loss of all that arrives, for that of all data or ACKs; with our data held, where it was not."""
        if not self.hold:
            return DropFault.model_construct(what=self.what, target=self.target, burst=self.burst, span=self.span)
        if self.source is None or self.what not in (Lost.DATA, Lost.ACKS) or not self._arriving.whole:
            return None
        return DropFault.model_construct(what=Lost.ALL, source=self.source, burst=self.burst, span=self.span)
