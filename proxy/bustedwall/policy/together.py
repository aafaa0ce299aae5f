"""What cannot be together in one proxy, because the kernel cannot do both: a closed list, refused at load.

docs/policy-language.md has the same list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bustedwall.policy.rules import Arm, Rule
from bustedwall.policy.sense import forgets, loses_at_the_door


@dataclass(frozen=True, slots=True)
class Clash:
    """A step that cannot be in one proxy with an earlier one."""

    rule: int
    """The later step's rule, by its place among those that were looked at."""
    step: int
    what: str
    hint: str


def clashes(rules: Sequence[Rule]) -> Iterator[Clash]:
    """Tell of each step that an earlier one makes impossible; of each rule once.

    The loss of SYNs is a loss at the listener, as that of last ACKs is, and it takes with it what arrives
    for flows that are forgotten: a vanished flow's peer would meet silence, not the bare RST that makes `vanish` what
    it is.
    """
    first: dict[str, Rule] = {}
    for i, rule in enumerate(rules):
        for j, step in enumerate(rule.steps):
            kind = _kind(step) if isinstance(step, Arm) else None
            if kind is None:
                continue
            other = first.get("vanish" if kind == "ignore" else "ignore")
            first.setdefault(kind, rule)
            if other is not None:
                yield Clash(i, j, _what(kind, other, rule), "use 'refuse' at the door, 'reset', or two proxies")
                break


def _kind(step: Arm) -> str | None:
    if loses_at_the_door(step.fault):
        return "ignore"
    return "vanish" if forgets(step.fault) else None


def _what(kind: str, other: Rule, rule: Rule) -> str:
    known = "vanish" if kind == "ignore" else "ignore"
    where = "this rule" if other is rule else f"rule '{other.name}'"
    return (
        f"'{kind}' cannot be in one proxy with the '{known}' of {where}: "
        "while the door ignores clients, what would bring a vanished flow's RST is lost, too"
    )
