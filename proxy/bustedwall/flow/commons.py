"""What the flows of a proxy have in common: chance, counts, and what faults share."""

from __future__ import annotations

from bustedwall.faults.fault import Shared
from bustedwall.flow.held import LEAN, Held
from bustedwall.policy.rules import Rule
from bustedwall.terms.dice import Dice
from bustedwall.terms.limits import DEFAULT_LIMITS, Limits


class Commons:
    """Handed to every flow of a proxy."""

    __slots__ = ("_fired", "_shared", "dice", "dry_run", "held", "limits")

    def __init__(self, dice: Dice, limits: Limits = DEFAULT_LIMITS, held: Held | None = None) -> None:
        self.dice = dice
        """The proxy's; each rule, flow and firing has a place of its own below."""
        self.limits = limits
        self.held = Held(limits.held) if held is None else held
        """The account of all flows of all proxies."""
        self.dry_run = False
        """Rules decide, and nothing is done."""
        self._fired: dict[str, int] = {}
        self._shared: dict[tuple[str, int], Shared] = {}

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

    def forget(self, rule: Rule) -> None:
        """Forget a rule that is no more; one of the same name begins anew."""
        self._fired.pop(rule.name, None)
        for key in [key for key in self._shared if key[0] == rule.name]:
            del self._shared[key]
