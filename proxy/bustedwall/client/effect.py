"""What a rule has done, as its facts say; docs/evidence.md tells what they prove."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bustedwall.client.link import Json

EFFECTIVE = "effective"

TELLING = "rule-fired,fault-armed,step-moot,loss-evidence,ending-evidence"
"""The facts that an effect is made of."""


EVIDENCE = "loss-evidence,ending-evidence"
"""Of these, the facts that prove it."""

PROVEN = 3.0
"""Seconds that the verdict of a loss may take once it is healed: two retransmissions, and some room."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a rule, or all rules of a policy, have done."""

    rule: str
    """As it was asked for, `POLICY/RULE` or `POLICY`."""
    fired: int
    at_work: int
    """Faults that took hold and need no proof."""
    to_prove: int
    """Faults that took hold and need one."""
    moot: int
    """Steps that came too late."""
    verdicts: tuple[tuple[str, int], ...]
    """How often each verdict was given."""

    @property
    def effective(self) -> bool:
        """Tell whether a fault took hold that needs no proof, or one was proven."""
        return self.at_work > 0 or dict(self.verdicts).get(EFFECTIVE, 0) > 0

    @property
    def waiting(self) -> bool:
        """Tell whether a verdict is still to come: that of a loss comes when it has ended."""
        return sum(count for _, count in self.verdicts) < self.to_prove

    def __str__(self) -> str:
        """Return it as one sentence."""
        if not self.fired:
            return f"{self.rule} never fired"
        said = [f"{self.rule} fired {_times(self.fired)}"]
        if not self.at_work + self.to_prove:
            said.append("no fault took hold")
        if self.moot:
            said.append(f"a step came too late {_times(self.moot)}")
        said += [f"{verdict}: {count}" for verdict, count in self.verdicts]
        if self.waiting:
            said.append("a verdict is still to come")
        return ", ".join(said)


def effect(facts: Iterable[Json], rule: str) -> Effect:
    """Return what a rule, or all rules of a policy, have done on any flow."""
    counts: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    for fact in facts:
        for cause in _causes(fact):
            if not meant(rule, cause.partition(": ")[0]):
                continue
            name = fact["fact"]
            if name == "fault-armed":
                name = "to prove" if fact["to_prove"] else "at work"
            counts[name] += 1
            if "verdict" in fact:
                verdicts[fact["verdict"]] += 1
    told = tuple(sorted(verdicts.items()))
    return Effect(
        rule, counts["rule-fired"], counts["at work"], counts["to prove"], moot=counts["step-moot"], verdicts=told
    )


def meant(asked: str, rule: str) -> bool:
    """Tell whether `POLICY` or `POLICY/RULE` means a rule; a policy that was applied to one flow alone is one, too."""
    policy, _, name = rule.partition("/")
    bare = policy.partition("@")[0]
    return asked in (rule, policy, bare, f"{bare}/{name}")


def _causes(fact: Json) -> Iterator[str]:
    """Yield the rules that are behind a fact, each perhaps with its fault behind it."""
    if fact["fact"] in TELLING.split(","):
        yield from fact.get("causes", ())
        yield from (fact[key] for key in ("rule", "cause") if key in fact)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
