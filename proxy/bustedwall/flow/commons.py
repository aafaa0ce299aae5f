"""What the flows of a proxy have in common: chance, counts, and what faults share."""

from __future__ import annotations

from collections.abc import Iterable

from bustedwall.faults.fault import Shared
from bustedwall.flow.held import LEAN, Held
from bustedwall.flow.recorded import NOTHING, Recorded
from bustedwall.flow.struck import Struck
from bustedwall.policy.rules import After, Rule
from bustedwall.terms.dice import Dice
from bustedwall.terms.limits import DEFAULT_LIMITS, Limits


class Commons:
    """Handed to every flow of a proxy."""

    __slots__ = ("_fired", "_shared", "_struck", "dice", "dry_run", "held", "limits", "recorded", "turns")

    def __init__(
        self,
        dice: Dice,
        limits: Limits = DEFAULT_LIMITS,
        held: Held | None = None,
        recorded: Recorded = NOTHING,
    ) -> None:
        self.dice = dice
        """The proxy's; each rule, flow and firing has a place of its own below."""
        self.limits = limits
        self.held = Held(limits.held) if held is None else held
        """The account of all flows of all proxies."""
        self.recorded = recorded
        """Of a run that is played again; it decides, where it knows."""
        self.dry_run = False
        """Rules decide, and nothing is done."""
        self.turns = False
        """The turns of flows that are opened from now on are told."""
        self._fired: dict[str, int] = {}
        self._shared: dict[tuple[str, int], Shared] = {}
        self._struck: dict[str, Struck] = {}
        """By rule: whom it has struck, if another rule asks."""

    @property
    def most_held(self) -> int:
        """How much one direction of a flow may hold now."""
        return LEAN if self.held.full else self.limits.flow_held

    def take(self, rule: Rule) -> bool:
        """Count a firing; tell whether the rule's `total` allows it."""
        if rule.total is None:
            return True
        fired = self._fired.get(rule.name, 0)
        if fired >= rule.total:
            return False
        self._fired[rule.name] = fired + 1
        return True

    def shared(self, rule: Rule, step: int) -> Shared:
        """Return what all flows share at one step of a rule."""
        return self._shared.setdefault((rule.name, step), Shared())

    def remember(self, rules: Iterable[Rule]) -> None:
        """Remember whom those rules strike that the others ask for, and for how long they ask."""
        longest: dict[str, float] = {}
        for after in (rule.match.after for rule in rules):
            if after is not None:
                longest[after.rule] = max(after.within, longest.get(after.rule, 0.0))
        kept = {name: struck for name, struck in self._struck.items() if longest.get(name) == struck.longest}
        self._struck = {name: kept.get(name) or Struck(seconds) for name, seconds in longest.items()}

    def strike(self, rule: Rule, client: str, now: float) -> str | None:
        """Note that a rule strikes a client; return one that has to be forgotten for it."""
        struck = self._struck.get(rule.name)
        return None if struck is None else struck.note(client, now)

    def struck(self, after: After, client: str, began: float) -> bool:
        """Tell whether a client had been struck when it came."""
        struck = self._struck.get(after.rule)
        return struck is not None and struck.before(client, began, after.within)

    def forget(self, rule: Rule) -> None:
        """Forget a rule that is no more; one of the same name begins anew."""
        self._fired.pop(rule.name, None)
        self._struck.pop(rule.name, None)
        for key in [key for key in self._shared if key[0] == rule.name]:
            del self._shared[key]
