"""A conversation with a flow in plain words, as docs/composition.md has it.

    0s   open
           lose all from client
    1s   server sends "hello"
           send "hello" to client

A line with a time is what happens; the indented lines below it are what the flow commands. Facts are
left out, but for those that a line `fact NAME` expects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bustedwall.flow.flow import Flow
from bustedwall.flow.orders import RuleCalled, RulesChanged
from bustedwall.policy.rules import AtSignal, Rule
from bustedwall.terms.commands import (
    Close,
    Command,
    Depth,
    Dial,
    Flush,
    Measure,
    Note,
    Reset,
    Send,
    SetLoss,
    Shut,
    Vanish,
)
from bustedwall.terms.events import Accepted, Arrived, Event, Flushed, Opened, Passed, Woke
from bustedwall.terms.facts import RuleMissed, RuleSpared, StepMoot
from bustedwall.terms.items import FIN, RST, Bytes
from bustedwall.terms.leg import Leg

SHOWN = (StepMoot, RuleMissed, RuleSpared)
"""Facts that a reader of the conversation would miss."""


def tell(rules: tuple[Rule, ...], text: str) -> str:
    """Tell a new flow each line that has a time; return the conversation with what the flow said."""
    flow = Flow(rules)
    out: list[str] = []
    for line in text.splitlines():
        told = re.match(r"([\d.]+)s\s+(.+)", line)
        if told is None:
            continue
        out.append(line)
        for event in events(told[2], rules):
            out += [f"       {said}" for command in flow.handle(event, float(told[1])) for said in spoken(command)]
    return "\n".join(out)


def events(words: str, rules: tuple[Rule, ...]) -> Iterator[Event | RulesChanged | RuleCalled]:  # noqa: C901, PLR0912 (one case per event)
    """Yield what a line means."""
    match words.split(maxsplit=2):
        case ["accept"]:
            yield Accepted()
        case ["open"]:
            yield Opened()
        case ["time", "passes"]:
            yield Woke()
        case [leg, "sends", data] if data.startswith('"'):
            yield Arrived(Leg(leg), Bytes(data.strip('"').encode()))
        case [leg, "sends", "FIN"]:
            yield Arrived(Leg(leg), FIN)
        case [leg, "sends", "RST"]:
            yield Arrived(Leg(leg), RST)
        case [leg, "passes", size]:
            yield Passed(Leg(leg), int(size.removesuffix("B")))
        case [leg, "has", "them"]:
            yield Flushed(Leg(leg))
        case ["signal", name]:
            yield from (RuleCalled(rule) for rule in rules if rule.when == AtSignal(name))
        case ["sent", "all", leg]:
            yield Flushed(Leg(leg.removeprefix("for ")), Depth.WIRE)
        case ["policies", "none"]:
            yield RulesChanged(())
        case ["policies", "applied"]:
            yield RulesChanged(rules)
        case _:
            raise AssertionError(f"what does '{words}' mean?")


def spoken(command: Command) -> Iterator[str]:  # noqa: C901 (one case per command)
    """Yield a command in words, or nothing for a fact that is left out."""
    match command:
        case Send(leg, data, lost):
            yield f'send "{data.decode()}" to {leg.value}' + (", lost once" if lost else "")
        case Shut(leg):
            yield f"FIN to {leg.value}"
        case Reset(leg):
            yield f"RST to {leg.value}"
        case Close(leg, unread):
            yield f"close {leg.value}" + (" unread" if unread else "")
        case Vanish(leg):
            yield f"vanish from {leg.value}"
        case SetLoss(leg, losses):
            lost = " and ".join(sorted(f"{loss.what.value} {loss.way.value}" for loss in losses))
            yield f"lose {lost or 'nothing of'} {leg.value}"
        case Flush(leg, depth):
            yield f"wait until {'our kernel has' if depth is Depth.KERNEL else 'there is sent'} all for {leg.value}"
        case Dial():
            yield "dial"
        case Measure(leg):
            yield f"measure {leg.value}"
        case Note(fact) if isinstance(fact, SHOWN):
            yield f"fact {fact.name}"
