"""What a proxy's table and its flows are told, and what the table asks for, beside what sockets do."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.policy.rules import Rule
from bustedwall.terms.commands import Note
from bustedwall.terms.door import Door
from bustedwall.terms.events import Woke


@dataclass(frozen=True, slots=True)
class RulesChanged:
    """These are the rules from now on: those that were there go on, the others end.

    A table is told all rules of its proxy; a flow, those that match it.
    """

    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class RuleCalled:
    """A moment of the policy has come for a flow."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class Signalled:
    """Somebody fired the signal of this name."""

    name: str


@dataclass(frozen=True, slots=True)
class FlowsChanged:
    """A flow has come or has ended, and the door may depend on it."""


TableEvent = RulesChanged | Signalled | FlowsChanged | Woke


@dataclass(frozen=True, slots=True)
class SetDoor:
    """Make the door so."""

    door: Door


@dataclass(frozen=True, slots=True)
class CallRule:
    """Tell `RuleCalled` to every open flow that the table says it touches."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class TellRules:
    """Tell `RulesChanged` to every open flow, with the rules that the table says are its own."""

    new: tuple[Rule, ...] = ()
    """Those that were not there before."""


TableCommand = SetDoor | CallRule | TellRules | Note
