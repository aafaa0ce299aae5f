"""How often each rule has fired since it was applied."""

from __future__ import annotations

from collections import Counter

from bustedwall.record.stream import Entry
from bustedwall.terms.facts import RuleFired, RulesChanged


class Firings:
    """Counts; there are as many counts as rules."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def see(self, entry: Entry) -> None:
        """Count a firing; forget a rule that goes."""
        fact, proxy = entry.fact, entry.proxy
        if proxy is not None and isinstance(fact, RuleFired):
            self._counts[proxy, fact.rule] += 1
        elif proxy is not None and isinstance(fact, RulesChanged):
            for rule in fact.removed:
                self._counts.pop((proxy, rule), None)

    def of(self, asked: str, proxy: str | None) -> int:
        """Return how often a rule, or any rule of a policy, has fired, on one proxy or on all."""
        return sum(
            count for (where, rule), count in self._counts.items() if proxy in (None, where) and is_meant(asked, rule)
        )


def is_meant(asked: str, rule: str) -> bool:
    """Tell whether `POLICY` or `POLICY/RULE` means a rule; a policy that was applied to one flow alone is one, too."""
    policy, _, name = rule.partition("/")
    return asked in (rule, policy, policy.partition("@")[0], f"{policy.partition('@')[0]}/{name}")
