"""What a policy becomes once it is loaded: immutable rules that a flow and its table can run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network, IPv6Network

from bustedwall.faults.fault import Fault
from bustedwall.terms.leg import Leg
from bustedwall.terms.limits import Limit

# ---- moments of a flow


@dataclass(frozen=True, slots=True)
class AtAccept:
    """When the client is accepted; the upstream is dialled after the rule's immediate steps."""


@dataclass(frozen=True, slots=True)
class AtOpen:
    """When both legs are up and nothing has passed; at once on a flow that is open already."""


@dataclass(frozen=True, slots=True)
class AtBytes:
    """When one direction has passed exactly so many bytes since the flow began, not one more."""

    source: Leg
    count: int
    """At least 1. In a `wait` they are counted from the moment at which the wait began."""


@dataclass(frozen=True, slots=True)
class AtAge:
    """When the client was accepted so long ago."""

    seconds: float
    jitter: float = 0.0
    """Seconds by which it may be more or less, drawn for each flow."""


class Clock(Enum):
    """What counts as a sign of life on a flow."""

    DATA = "data"
    """Bytes of the application."""
    PACKETS = "packets"
    """Any segment that arrives, keepalives too."""


@dataclass(frozen=True, slots=True)
class AtIdle:
    """When nothing has moved for so long, either way."""

    seconds: float
    clock: Clock = Clock.DATA


@dataclass(frozen=True, slots=True)
class AtText:
    """When one side's bytes contain a text, or match a pattern, across chunk borders."""

    source: Leg
    text: bytes = b""
    """At least one byte, unless there is a pattern."""
    pattern: str | None = None
    """A regular expression of Python's `re`, applied to bytes."""
    within: int = 64 << 10
    """How many bytes a match of the pattern may span."""
    deliver: bool = True
    """True: the moment is behind the match. False: before it, as far as it has not passed already."""


class RecordKind(Enum):
    """What a TLS record is, as its first byte says (RFC 8446 §5.1)."""

    CHANGE = "change_cipher_spec"
    ALERT = "alert"
    """In TLS 1.3 only one that comes before there are keys; later ones are `application`, as all else is."""
    HANDSHAKE = "handshake"
    APPLICATION = "application"

    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class AtRecord:
    """When the nth TLS record of a kind, from one side, has passed; or so much of it."""

    source: Leg
    kind: RecordKind
    nth: int = 1
    """From 1. In a `wait`, counted from the moment at which the wait began, which is a border of records."""
    part: int | None = None
    """How many bytes of it pass, its header included; None: all of it."""


@dataclass(frozen=True, slots=True)
class AtTurn:
    """When one side begins to speak for the nth time; before its first byte goes on."""

    source: Leg
    number: int
    """From 1. In a `wait`, counted from the moment at which the wait began."""


@dataclass(frozen=True, slots=True)
class AtEof:
    """When one side has sent its FIN, behind its bytes and before the FIN goes on."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class AtReset:
    """When one side's RST has come, behind its bytes and before the RST goes on."""

    leg: Leg


FlowMoment = AtAccept | AtOpen | AtBytes | AtAge | AtIdle | AtText | AtRecord | AtTurn | AtEof | AtReset

# ---- moments of a policy


@dataclass(frozen=True, slots=True)
class AtApplied:
    """At once when the policy is applied."""


@dataclass(frozen=True, slots=True)
class AtPolicyAge:
    """So long after the policy was applied."""

    seconds: float


@dataclass(frozen=True, slots=True)
class AtRepeat:
    """Again and again, first after one interval."""

    seconds: float


@dataclass(frozen=True, slots=True)
class AtSignal:
    """When somebody fires the signal of this name."""

    name: str


PolicyMoment = AtApplied | AtPolicyAge | AtRepeat | AtSignal

Trigger = FlowMoment | PolicyMoment

# ---- steps


@dataclass(frozen=True, slots=True)
class Arm:
    """Do a fault; the next step follows at once, however long the fault lasts."""

    fault: Fault
    span: float | None = None
    """Seconds until the fault ends by itself."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass, or wait for a moment of the flow, before the next step."""

    until: float | FlowMoment
    """Seconds, or the moment."""


@dataclass(frozen=True, slots=True)
class Heal:
    """End what this rule has armed on this flow: losses first, then held bytes go out in order."""


Step = Arm | Wait | Heal

# ---- which flows


class Age(Enum):
    """A flow's age, seen from the policy."""

    NEW = "new"
    """Accepted after the policy was applied."""
    OPEN = "open"
    """Accepted before."""


@dataclass(frozen=True, slots=True)
class After:
    """That another rule has struck the same client before."""

    rule: str
    """The name of the other rule, with its policy's."""
    within: float
    """Seconds between its firing and the flow's acceptance, at most."""


@dataclass(frozen=True, slots=True)
class Match:
    """Which of a proxy's flows a rule touches: those that meet all that is given. Flows count from 1."""

    nth: int | None = None
    first: int | None = None
    every: int | None = None
    share: float | None = None
    """0 to 1, drawn once per flow."""
    address: tuple[IPv4Network | IPv6Network, ...] = ()
    """The client's; empty: any."""
    state: Age | None = None
    not_address: tuple[IPv4Network | IPv6Network, ...] = ()
    """Clients that are left alone, whatever else matches."""
    above: int | None = None
    """Those that come while so many others are open, or more."""
    after: After | None = None


ALL_FLOWS = Match()


@dataclass(frozen=True, slots=True)
class Rule:
    """Which flows, at which moment, what is done to them."""

    name: str
    """`policy/rule`: unique within a proxy."""
    when: Trigger
    steps: tuple[Step, ...]
    match: Match = ALL_FLOWS
    times: int | None = None
    """How often it may fire on one flow; None: once for a moment of the flow, without limit for one of the policy."""
    total: int | None = None
    """How often it may fire over all flows."""
    probability: float = 1.0
    """0 to 1, drawn for each firing; a firing that is spared does not count."""
    limit: Limit | None = None
    """The limit of the proxy's own that it enforces; None: a user wrote it."""

    @property
    def of_policy(self) -> bool:
        """Tell whether it waits for a moment of the policy, which comes to the door and all flows at once."""
        return isinstance(self.when, AtApplied | AtPolicyAge | AtRepeat | AtSignal)
