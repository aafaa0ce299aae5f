"""A policy as one proxy has it: which, with which values, and the rules that come of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from bustedwall.policy.rules import Rule
from bustedwall.policy.template import Bound, Template
from bustedwall.terms.facts import StepUnmet


@dataclass(frozen=True, slots=True)
class Applied:
    """One policy of a proxy."""

    name: str
    given: Mapping[str, object]
    """The values of its parameters that somebody gave, as they were written."""
    rules: tuple[Rule, ...]
    notices: tuple[StepUnmet, ...]
    """What is not done as it was written, because this machine cannot."""
    template: Template = field(compare=False, repr=False)
    """What it was made of."""
    flow: int | None = None
    """The number of the only flow that it touches; None: it touches those that its rules match."""

    @classmethod
    def of(cls, template: Template, given: Mapping[str, object], bound: Bound) -> Applied:
        """Return a policy that was bound to values."""
        return cls(template.file.name, given, bound.rules, bound.notices, template)

    @property
    def key(self) -> str:
        """Return what it is known by in its proxy, which has no other of this key: its name, or `NAME@FLOW`."""
        return self.name if self.flow is None else f"{self.name}@{self.flow}"

    def for_flow(self, number: int) -> Applied:
        """Return the same for one flow alone; its rules are called `NAME@FLOW/RULE`."""
        rules = tuple(
            replace(rule, name=rule.name.replace("/", f"@{number}/", 1), match=replace(rule.match, nth=number))
            for rule in self.rules
        )
        return replace(self, rules=rules, flow=number)


@dataclass(frozen=True, slots=True)
class Policies:
    """All policies of one proxy, in their order."""

    applied: tuple[Applied, ...] = ()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return the rules of all."""
        return rules_of(self.applied)

    @property
    def notices(self) -> tuple[StepUnmet, ...]:
        """Return what of any is not done as it was written."""
        return notices_of(self.applied)


def rules_of(policies: Iterable[Applied]) -> tuple[Rule, ...]:
    """Return the rules of policies, in order."""
    return tuple(rule for policy in policies for rule in policy.rules)


def notices_of(policies: Iterable[Applied]) -> tuple[StepUnmet, ...]:
    """Return what of them is not done as it was written."""
    return tuple(notice for policy in policies for notice in policy.notices)
