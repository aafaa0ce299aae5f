"""What is recorded: one stream of facts that journal, log and tests read.

A fact says what was observed or decided, never what to do. `name` is the word in the journal;
it is written out so that renaming a class does not rename a word that users search for.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, ClassVar

from bustedwall.terms.door import DoorMode
from bustedwall.terms.endings import How
from bustedwall.terms.leg import Leg
from bustedwall.terms.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Fact:
    """The base of all facts."""

    name: ClassVar[str]

    def record(self) -> dict[str, Any]:
        """Return the fact as plain data: its name, then its fields."""
        plain = {"fact": self.name}
        for field in fields(self):
            value = getattr(self, field.name)
            plain[field.name] = value.value if isinstance(value, Enum) else value
        return plain


@dataclass(frozen=True, slots=True)
class RunStarted(Fact):
    """The run began; with the same seed and the same traffic chance decides the same."""

    name = "run-started"
    seed: int


@dataclass(frozen=True, slots=True)
class StepUnmet(Fact):
    """A step is not done as it was written: it needs what this machine's kernel does not give us."""

    name = "step-unmet"
    rule: str
    fault: str
    """As a user would write it."""
    instead: str | None
    """What is done in its place; None: it is left out."""
    missing: tuple[str, ...]
    """The abilities that it needs and this machine has not."""


@dataclass(frozen=True, slots=True)
class ProxyListening(Fact):
    """A proxy's door is open."""

    name = "proxy-listening"
    address: str
    upstream: str


@dataclass(frozen=True, slots=True)
class AcceptPaused(Fact):
    """The kernel would not give us another descriptor; the door rests for a moment."""

    name = "accept-paused"
    error: str


@dataclass(frozen=True, slots=True)
class FlowAccepted(Fact):
    """A client connected; the upstream is not yet dialled."""

    name = "flow-accepted"
    client: str


@dataclass(frozen=True, slots=True)
class AddressFailed(Fact):
    """One address of the upstream could not be connected; the next one is tried."""

    name = "address-failed"
    address: str
    error: str


@dataclass(frozen=True, slots=True)
class FlowOpened(Fact):
    """Both legs are up."""

    name = "flow-opened"
    upstream: str


@dataclass(frozen=True, slots=True)
class PeerFinished(Fact):
    """The far end of a leg sent its FIN."""

    name = "peer-finished"
    leg: Leg


@dataclass(frozen=True, slots=True)
class PeerLost(Fact):
    """A leg ended by RST, or by an error of our own kernel such as ETIMEDOUT."""

    name = "peer-lost"
    leg: Leg
    error: str
    """The errno's name. EPIPE: the RST came after the FIN."""


@dataclass(frozen=True, slots=True)
class ShareDrawn(Fact):
    """It was drawn whether a flow is among the share of flows that a rule touches."""

    name = "share-drawn"
    rule: str
    draw: float
    touched: bool
    """Whether it is; what else the rule's `match` asks was not looked at."""


@dataclass(frozen=True, slots=True)
class RuleFired(Fact):
    """A rule's moment came, on a flow or, where there is none, on the door."""

    name = "rule-fired"
    rule: str
    coming: int
    """How often its moment has come on this flow, from 1; draws are named by it."""
    passed_from_client: int
    passed_from_server: int
    draw: float | None = None
    """What was drawn, for a rule with a probability."""


@dataclass(frozen=True, slots=True)
class RuleSpared(Fact):
    """A rule's moment came, and it did not fire: the draw said so, or its `total` was used up."""

    name = "rule-spared"
    rule: str
    coming: int
    draw: float | None = None
    """What was drawn; None where it was not chance."""


@dataclass(frozen=True, slots=True)
class RuleMissed(Fact):
    """A rule can never fire on this flow."""

    name = "rule-missed"
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class TextHidden(Fact):
    """A rule waits for a text, and this side speaks TLS: it cannot match."""

    name = "text-hidden"
    rule: str
    leg: Leg


@dataclass(frozen=True, slots=True)
class FaultArmed(Fact):
    """A step's damage took hold."""

    name = "fault-armed"
    rule: str
    fault: str


@dataclass(frozen=True, slots=True)
class FaultEnded(Fact):
    """A step's damage was taken back."""

    name = "fault-ended"
    rule: str
    fault: str
    why: str


@dataclass(frozen=True, slots=True)
class StepMoot(Fact):
    """A step came too late: the leg that it names had ended."""

    name = "step-moot"
    rule: str
    fault: str
    leg: Leg


@dataclass(frozen=True, slots=True)
class ResetSent(Fact):
    """We ended a leg with a RST."""

    name = "reset-sent"
    leg: Leg
    cause: str
    """The rule, `peer` where the other leg's RST was passed on, or the limit that bit."""


@dataclass(frozen=True, slots=True)
class LegClosed(Fact):
    """We ended a leg otherwise than by a RST of our own: by close(), by half of it, or without a segment."""

    name = "leg-closed"
    leg: Leg
    how: How
    cause: str
    """The rule."""


@dataclass(frozen=True, slots=True)
class FlushGaveUp(Fact):
    """Bytes were still unsent when an ending could wait for them no longer; they are lost."""

    name = "flush-gave-up"
    leg: Leg


@dataclass(frozen=True, slots=True)
class LossSet(Fact):
    """The kernel loses these segments of a leg from now on."""

    name = "loss-set"
    leg: Leg
    losses: tuple[str, ...]
    error: str | None = None
    """The errno's name where the kernel refused; then nothing is lost."""
    causes: tuple[str, ...] = ()
    """The steps that ask for it, as `RULE: FAULT`."""


@dataclass(frozen=True, slots=True)
class LossEvidence(Fact):
    """What the kernel counted while segments of a leg were to be lost; told when that has ended."""

    name = "loss-evidence"
    leg: Leg
    losses: tuple[str, ...]
    causes: tuple[str, ...]
    """The steps that asked for it, as `RULE: FAULT`."""
    verdict: Verdict
    seconds: float
    """How long it was in force."""
    thrown_away: int
    """Segments that arrived and were discarded."""
    arrived: int
    """Segments that arrived and reached TCP."""
    sent: int
    """Segments that left, bare ACKs too."""
    first_sent: int
    """Bytes that left for the first time."""
    acknowledged: int
    """Bytes of these that were acknowledged as they were."""
    sent_again: int
    """Segments that had to be sent again, then or soon after."""


@dataclass(frozen=True, slots=True)
class EndingEvidence(Fact):
    """What the kernel said of a leg when we ended it."""

    name = "ending-evidence"
    leg: Leg
    how: How
    cause: str
    """The rule, `peer` where the other leg's RST was passed on, or the limit that bit."""
    verdict: Verdict
    state: str
    """The connection's, just before: `established`, `close-wait` where the peer had sent its FIN, and so on."""
    unread: int
    """Bytes that had arrived and were not read."""
    unsent: int
    """Bytes that had not left even once."""
    in_flight: int
    """Bytes that had left and were not acknowledged."""


@dataclass(frozen=True, slots=True)
class FlowClosed(Fact):
    """Both legs are gone."""

    name = "flow-closed"
    from_client: int
    """Bytes from the client that our kernel accepted for the server."""
    from_server: int
    discarded: int
    """Bytes that were read and went nowhere, because their leg had ended."""
    seconds: float


@dataclass(frozen=True, slots=True)
class FlowFailed(Fact):
    """A bug of ours ended the flow; the log has the traceback."""

    name = "flow-failed"
    error: str


@dataclass(frozen=True, slots=True)
class WriteLost(Fact):
    """The first transmission of one write was lost; TCP repairs it."""

    name = "write-lost"
    leg: Leg
    size: int
    """Bytes of the write that are lost."""
    not_lost: int
    """Bytes of it that could not leave at once, and were not lost."""


@dataclass(frozen=True, slots=True)
class DoorSet(Fact):
    """What clients meet at the door from now on."""

    name = "door-set"
    mode: DoorMode
    lost: int
    """SYNs that were lost since the door was set last."""
    error: str | None = None
    """The errno's name where the kernel refused; then the door is as it was."""
