"""What is well-formed and cannot mean anything: a closed list, refused at load.

docs/policy-language.md has the same list. A step that comes too late is not on it: whether a leg
has ended by then is known at run time only, and told there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bustedwall.faults.fault import Damage, Fault, LastingFault, Shared
from bustedwall.policy.moments import word_of
from bustedwall.policy.rules import (
    ALL_FLOWS,
    Age,
    Arm,
    AtAccept,
    AtAge,
    AtApplied,
    AtBytes,
    AtEof,
    AtOpen,
    AtPolicyAge,
    AtRecord,
    AtRepeat,
    AtReset,
    AtText,
    AtTurn,
    FlowMoment,
    Heal,
    Rule,
    Step,
    Wait,
)
from bustedwall.policy.source import Path
from bustedwall.policy.words import suggestion
from bustedwall.terms.dice import Dice
from bustedwall.terms.door import DoorMode, Knock
from bustedwall.terms.endings import How
from bustedwall.terms.leg import Leg

Nonsense = tuple[Path, str, str]
"""Where in the rule, what is wrong, and a hint."""

_ONCE = (AtAccept, AtOpen, AtAge, AtBytes, AtEof, AtReset, AtTurn, AtApplied, AtPolicyAge)
_OPEN_BY_THEN = (AtOpen, AtBytes, AtText, AtRecord, AtTurn, AtEof, AtReset)
_OF_POLICY = "applied, {policy_age: TIME}, {repeat: TIME} or {signal: NAME}"


def nonsense(rule: Rule) -> Iterator[Nonsense]:
    """Tell what in a rule contradicts itself."""
    armed = {i: damage_of(step.fault) for i, step in enumerate(rule.steps) if isinstance(step, Arm)}
    if not armed:
        yield ("do",), "no step of this rule is a fault, so it does nothing", ""
    yield from _door(rule, armed)
    yield from _dials(rule, armed)
    yield from _waits(rule)
    yield from _piled_up(rule)
    if isinstance(rule.when, AtAccept):
        yield from _server_at_accept(rule, armed)
    if rule.match.state is Age.OPEN and isinstance(rule.when, AtAccept):
        yield (
            ("match", "state"),
            "a flow that is open already is not accepted again",
            "'state: open' needs another moment",
        )
    if rule.match.state is Age.NEW and isinstance(rule.when, AtApplied):
        yield ("match", "state"), "at the moment at which a policy is applied no flow is new to it", ""
    if (rule.times or 1) > 1 and isinstance(rule.when, _ONCE):
        yield ("times",), f"'{word_of(rule.when)}' comes once on each flow", "leave 'times' out"


def strangers(rules: Sequence[Rule]) -> Iterator[tuple[int, str, str]]:
    """Tell of each rule, by its place, that comes after one that is not there."""
    names = [rule.name for rule in rules]
    for i, rule in enumerate(rules):
        after = rule.match.after
        if after is None:
            continue
        policy, _, name = after.rule.rpartition("/")
        if after.rule == rule.name:
            yield i, "a rule that comes after itself never begins", "name another rule of this policy"
        elif after.rule not in names:
            yield (
                i,
                f"no rule of this policy is called '{name}'",
                suggestion(name, [n.removeprefix(f"{policy}/") for n in names]),
            )


def damage_of(fault: Fault) -> Damage:
    """Return what a fault does, only to look at it."""
    return fault.arm(Dice.seeded(0), Shared())


def loses_at_the_door(fault: Fault) -> bool:
    """Tell whether a fault makes the kernel lose at the door what is no SYN, too."""
    door = damage_of(fault).door
    if door is None:
        return False
    return door.mode in (DoorMode.IGNORE, DoorMode.UNREACHABLE) or any(
        ignored.what is Knock.LAST_ACK for ignored in door.ignored
    )


def forgets(fault: Fault) -> bool:
    """Tell whether a fault relies on the kernel's bare RST to a flow that it no longer knows."""
    return any(ending.how is How.VANISH for ending in damage_of(fault).endings.values())


def _door(rule: Rule, armed: dict[int, Damage]) -> Iterator[Nonsense]:
    door = [i for i, damage in armed.items() if damage.door is not None]
    for i in door:
        if not rule.of_policy:
            what = "the door belongs to the proxy and not to a flow; by this moment the client is connected"
            yield ("do", i), what, f"'when' must be {_OF_POLICY}"
    if not door:
        return
    for i, step in enumerate(rule.steps):
        if rule.of_policy and isinstance(step, Wait) and isinstance(step.until, FlowMoment):
            what = "a script that changes the door has no flow whose moment it could wait for"
            yield ("do", i), what, "wait for a time, or write two rules"
    if len(door) == len(armed) and rule.of_policy and rule.match != ALL_FLOWS:
        yield ("match",), "the door has no flows to choose from: before it is passed there is none", "leave it out"


def _dials(rule: Rule, armed: dict[int, Damage]) -> Iterator[Nonsense]:
    in_time = set(_immediate(rule.steps)) if isinstance(rule.when, AtAccept) else set()
    for i, damage in armed.items():
        if damage.undialled and i not in in_time:
            yield ("do", i), "by this moment the upstream has been dialled", "use 'when: accept', before any wait"


def _waits(rule: Rule) -> Iterator[Nonsense]:
    for i, step in enumerate(rule.steps):
        until = step.until if isinstance(step, Wait) else None
        if isinstance(until, AtAccept):
            yield ("do", i), "a flow begins with its acceptance, so a step cannot wait for it", ""
        elif isinstance(until, AtOpen) and isinstance(rule.when, _OPEN_BY_THEN):
            yield ("do", i), f"at '{word_of(rule.when)}' the flow is open already", "leave this wait out"


def _piled_up(rule: Rule) -> Iterator[Nonsense]:
    if isinstance(rule.when, AtRepeat) and rule.times is None and rule.total is None:
        healed = max((i for i, step in enumerate(rule.steps) if isinstance(step, Heal)), default=-1)
        for i, step in enumerate(rule.steps):
            if isinstance(step, Arm) and step.span is None and isinstance(step.fault, LastingFault) and i > healed:
                what = "this is armed again and again, and never ends"
                yield ("do", i), what, "give it a 'for', end the script with '- heal', or give the rule 'times'"


def _server_at_accept(rule: Rule, armed: dict[int, Damage]) -> Iterator[Nonsense]:
    for i in _immediate(rule.steps):
        if i in armed and any(Leg.SERVER in done for done in (armed[i].losses, armed[i].endings, armed[i].injected)):
            what = "at 'accept' there is no server leg yet"
            yield ("do", i), what, "use 'when: open', or '- wait: open' before this step"


def _immediate(steps: tuple[Step, ...]) -> Iterator[int]:
    for i, step in enumerate(steps):
        if isinstance(step, Wait):
            return
        yield i
