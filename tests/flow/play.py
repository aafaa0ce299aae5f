"""A conversation with a flow, written down and compared as text.

    play(
        Flow(rules),
        (0.0, Opened(), []),
        (1.0, Passed(SERVER, 5), [Reset(CLIENT)]),
    )

Each line is a time, an event, and the commands expected; facts are left out unless `facts=True`.
A failure shows the whole conversation as a diff.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from difflib import ndiff
from enum import Enum
from typing import Any

from bustedwall.faults import registry
from bustedwall.flow.flow import Flow
from bustedwall.flow.orders import RuleCalled, RulesChanged
from bustedwall.policy.rules import Arm, AtRecord, AtText, Rule, Step, Trigger
from bustedwall.terms.commands import Command, Flush, Note
from bustedwall.terms.events import Arrived, Event, Flushed, Opened
from bustedwall.terms.facts import RuleFired
from bustedwall.terms.items import Bytes
from bustedwall.terms.leg import Leg

CLIENT, SERVER = Leg.CLIENT, Leg.SERVER

Line = tuple[float, Event | RulesChanged | RuleCalled, Sequence[Command]]


def play(flow: Flow, *lines: Line, facts: bool = False) -> None:
    """Hold the conversation; fail with both versions of it if they differ."""
    expected, actual = [], []
    for now, event, commands in lines:
        said = [c for c in flow.handle(event, now) if facts or not isinstance(c, Note)]
        expected += _spoken(now, event, commands)
        actual += _spoken(now, event, said)
    if actual != expected:
        # `-` should have been said, `+` was said instead; not a bare assert, which pytest explains in test files only.
        raise AssertionError("\n".join(["the conversation went otherwise:", *ndiff(expected, actual)]))


def _spoken(now: float, event: object, commands: Sequence[Command]) -> list[str]:
    return [f"{now:g}s  {written(event)}", *(f"       {written(command)}" for command in commands)]


def written(thing: object) -> str:
    """Return an event, a command or what is in it as this notation has it."""
    if isinstance(thing, Enum):
        return thing.name
    if isinstance(thing, Rule):
        return thing.name
    if isinstance(thing, tuple | frozenset):
        return f"{{{', '.join(sorted(map(written, thing)))}}}"
    if is_dataclass(thing):
        values = [(getattr(thing, field.name), field.default) for field in fields(thing) if field.compare]
        shown = [written(value) for value, default in values if value != default]
        return f"{type(thing).__name__}({', '.join(shown)})"
    return repr(thing)


def arm(fault: str, *, span: float | None = None, **options: object) -> Arm:
    """Return a step from a fault's short form, `reset client` or `latency 1s from server`, and options."""
    word, _, rest = fault.partition(" ")
    kind = registry()[word]
    return Arm(kind.model_validate(kind.long_form(rest) | options), span)


def rule(when: Trigger, *steps: Step, name: str = "test/rule", **options: Any) -> Rule:  # noqa: ANN401 (any field of Rule)
    """Return a rule."""
    return Rule(name, when, steps, **options)


def fired(commands: Sequence[object]) -> list[str]:
    """Return the names of the rules that fired, in order."""
    return [c.fact.rule for c in commands if isinstance(c, Note) and isinstance(c.fact, RuleFired)]


def told_at(moment: AtText | AtRecord, chunks: Sequence[bytes]) -> list[int]:
    """Return the offsets at which a rule fires on one side's bytes, with the kernel taking all at once."""
    side = moment.source
    flow = Flow((rule(moment, arm(f"latency 0s from {side.other.value}", span=0.1), times=99),))
    flow.handle(Opened(), 0.0)
    told: list[int] = []
    for chunk in chunks:
        commands = flow.handle(Arrived(side, Bytes(chunk)), 1.0)
        while commands:
            facts = [c.fact for c in commands if isinstance(c, Note) and isinstance(c.fact, RuleFired)]
            told += [fact.passed_from_client if side is CLIENT else fact.passed_from_server for fact in facts]
            commands = flow.handle(Flushed(side.other), 1.0) if any(isinstance(c, Flush) for c in commands) else []
    return told
