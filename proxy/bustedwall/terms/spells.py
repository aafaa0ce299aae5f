"""Damage that comes and goes: a link that is good for a while, then bad, and so on."""

from __future__ import annotations

from dataclasses import dataclass
from math import log1p

from bustedwall.terms.dice import Dice


@dataclass(frozen=True, slots=True)
class Spells:
    """Good and bad spells in turn, the first one good; how long each lasts is drawn, and nothing remembers it."""

    good: float
    """Seconds that a good one lasts in the mean."""
    bad: float
    """Seconds that a bad one lasts in the mean."""
    dice: Dice

    def seconds(self, number: int) -> float:
        """Return how long a spell lasts, counted from 0: exponentially distributed, so its age tells nothing."""
        mean = self.bad if is_bad(number) else self.good
        return -mean * log1p(-min(self.dice.fraction("spell", number), 1 - 1e-12))


def is_bad(number: int) -> bool:
    """Tell whether a spell is one in which the damage is in force."""
    return number % 2 == 1
