"""Facts of rules, their chances and their steps."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.terms.facts.fact import Fact
from bustedwall.terms.leg import Leg


@dataclass(frozen=True, slots=True)
class ShareDrawn(Fact):
    """It was drawn whether a flow is among the share of flows that a rule touches."""

    name = "share-drawn"
    rule: str
    """The rule, as `POLICY/RULE`."""
    draw: float
    """What was drawn, from 0 to 1."""
    touched: bool
    """Whether it is; what else the rule's `match` asks was not looked at."""


@dataclass(frozen=True, slots=True)
class OrderLooked(Fact):
    """It was looked whether a rule's `above` and `after` hold for a flow; these go by what came before it."""

    name = "order-looked"
    rule: str
    """The rule, as `POLICY/RULE`."""
    touched: bool
    """Whether they do; what else the rule's `match` asks was not looked at."""


@dataclass(frozen=True, slots=True)
class RuleFired(Fact):
    """A rule's moment came, on a flow or, where there is none, on the door."""

    name = "rule-fired"
    rule: str
    """The rule, as `POLICY/RULE`."""
    coming: int
    """How often its moment has come on this flow, from 1; draws are named by it."""
    passed_from_client: int
    """Bytes from the client that the kernel had taken for the server by then."""
    passed_from_server: int
    """Bytes from the server that the kernel had taken for the client by then."""
    draw: float | None = None
    """What was drawn, from 0 to 1, for a rule with a probability."""


@dataclass(frozen=True, slots=True)
class RuleSpared(Fact):
    """A rule's moment came, and it did not fire: so the draw, or its `total` was used up, or 1000 scripts go on."""

    name = "rule-spared"
    rule: str
    """The rule, as `POLICY/RULE`."""
    coming: int
    """How often its moment has come on this flow, from 1."""
    draw: float | None = None
    """What was drawn, from 0 to 1; None where it was not chance."""


@dataclass(frozen=True, slots=True)
class ClientForgotten(Fact):
    """Too many clients were struck by a rule that others come `after`: the one that was struck first is forgotten."""

    name = "client-forgotten"
    rule: str
    """The rule that had struck, as `POLICY/RULE`."""
    client: str
    """The client's address."""


@dataclass(frozen=True, slots=True)
class RuleMissed(Fact):
    """A rule can never fire on this flow."""

    name = "rule-missed"
    rule: str
    """The rule, as `POLICY/RULE`."""
    why: str
    """The reason, in words."""


@dataclass(frozen=True, slots=True)
class TextHidden(Fact):
    """A rule waits for a text, and this side speaks TLS: it cannot match."""

    name = "text-hidden"
    rule: str
    """The rule, as `POLICY/RULE`."""
    leg: Leg
    """Who speaks TLS."""


@dataclass(frozen=True, slots=True)
class FaultArmed(Fact):
    """A step's damage took hold."""

    name = "fault-armed"
    rule: str
    """The rule, as `POLICY/RULE`."""
    fault: str
    """The step, as a user would write it."""
    to_prove: bool
    """Whether the kernel's counters show what it does: a loss or an ending, whose evidence is a fact of its own."""


@dataclass(frozen=True, slots=True)
class DryRun(Fact):
    """A step would have been done; nothing was, because this is a dry run."""

    name = "dry-run"
    rule: str
    """The rule, as `POLICY/RULE`."""
    fault: str
    """The step, as a user would write it."""


@dataclass(frozen=True, slots=True)
class FaultEnded(Fact):
    """A step's damage was taken back."""

    name = "fault-ended"
    rule: str
    """The rule, as `POLICY/RULE`."""
    fault: str
    """The step, as a user would write it."""
    why: str
    """The reason, in words."""


@dataclass(frozen=True, slots=True)
class StepMoot(Fact):
    """A step came too late: the leg that it names had ended."""

    name = "step-moot"
    rule: str
    """The rule, as `POLICY/RULE`."""
    fault: str
    """The step, as a user would write it."""
    leg: Leg
    """The leg that had ended."""
