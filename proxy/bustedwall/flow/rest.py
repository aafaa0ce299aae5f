"""A flow that waits for silence, and for nothing else, has no logic until that may have come.

The logic is twice as big as the rest of a flow, and no byte means anything to it meanwhile: the kernel
knows when the last one arrived. So it is made when the first of the rules would ask for that, and is
given up again if they have asked too early.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bustedwall.policy.rules import AtIdle, Clock, Rule


@dataclass(frozen=True, slots=True)
class Rest:
    """What there is to remember of a logic that rests."""

    rules: tuple[Rule, ...]
    since: float
    """When the last sign of life was, as far as is known."""

    @property
    def due(self) -> float:
        """When the first of the rules asks whether the flow is idle."""
        return self.since + min(rule.when.seconds for rule in self.rules if isinstance(rule.when, AtIdle))


def waits_for_silence(rule: Rule) -> bool:
    """Tell whether a rule waits until no byte has moved for so long; keepalives do not make themselves heard later."""
    return isinstance(rule.when, AtIdle) and rule.when.clock is Clock.DATA


def rest(rules: tuple[Rule, ...], since: float) -> Rest | None:
    """Return how a flow with these rules rests; None if nothing will wake it, or anything but silence could."""
    waiting = [rule for rule in rules if not rule.of_policy]
    return Rest(rules, since) if waiting and all(map(waits_for_silence, waiting)) else None


def is_needed(rules: Iterable[Rule]) -> bool:
    """Tell whether a new flow with these rules needs its logic from the start."""
    return any(not (rule.of_policy or waits_for_silence(rule)) for rule in rules)
