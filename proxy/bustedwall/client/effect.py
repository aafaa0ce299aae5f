"""What a rule has done, as its facts say; docs/evidence.md tells what they prove."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bustedwall.client.link import Json

EFFECTIVE = "effective"

TELLING = "rule-fired,fault-armed,step-moot,loss-evidence,ending-evidence"
"""The facts that an effect is made of."""


EVIDENCE = "loss-evidence,ending-evidence"
"""Of these, the facts that prove it."""

Span = tuple[int, int | None]
"""From behind the fact of one number to that of another; None: to the newest."""

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


def effect(facts: Iterable[Json], rule: str, spans: Collection[Span] | None = None) -> Effect:
    """Return what a rule, or all rules of a policy, have done on any flow.

    `spans`: only what began within them counts; its evidence may come later. `facts` are in their order.
    """
    counts: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    armings = _Armings()
    for fact in facts:
        for cause in _causes(fact):
            name, by = fact["fact"], cause.partition(": ")[0]
            if not meant(rule, by):
                continue
            if spans is not None and not _within(spans, armings.of(fact, by)):
                continue
            if name == "fault-armed":
                name = "to prove" if fact["to_prove"] else "at work"
            counts[name] += 1
            if "verdict" in fact:
                verdicts[fact["verdict"]] += 1
    told = tuple(sorted(verdicts.items()))
    return Effect(
        rule, counts["rule-fired"], counts["at work"], counts["to prove"], moot=counts["step-moot"], verdicts=told
    )


@dataclass(slots=True)
class _Armings:
    """When faults that are to be proven took hold, by where and by which rule."""

    known: dict[tuple[object, object, str], list[tuple[datetime, int]]] = field(default_factory=dict)

    def of(self, fact: Json, rule: str) -> list[int]:
        """Return when what a fact tells of began: the number of this fact, or those of the armings that it proves."""
        known = self.known.setdefault((fact.get("proxy"), fact.get("flow"), rule), [])
        if fact["fact"] not in EVIDENCE.split(","):
            if fact["fact"] == "fault-armed" and fact["to_prove"]:
                known.append((datetime.fromisoformat(fact["at"]), fact["number"]))
            return [fact["number"]]
        # A loss is proven once it has ended, which may be when the next one of the same rule is there.
        until = datetime.fromisoformat(fact["at"]) - timedelta(seconds=fact.get("later", 0.0))
        since = until - timedelta(seconds=fact.get("seconds", 0.0))
        before = [one for one in known if one[0] <= until]
        return [number for at, number in before if at >= since] or [number for _, number in before[-1:]]


def _within(spans: Collection[Span], numbers: Collection[int]) -> bool:
    return any(after < number and (until is None or number <= until) for after, until in spans for number in numbers)


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
