"""`burst`: a fault that comes and goes by itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bustedwall.terms.dice import Dice
from bustedwall.terms.spells import Spells
from bustedwall.terms.units import Duration

_SHORTEST = 0.001
"""Seconds; a timer costs more than shorter ones are worth, and a late one has to live through all of them."""

_Mean = Annotated[Duration, Field(ge=_SHORTEST, le=3600)]


class Burst(BaseModel):
    """Good and bad spells in turn."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    good: _Mean
    """How long all passes in the mean, before each burst; 1ms to 1h."""
    bad: _Mean
    """How long a burst lasts in the mean; 1ms to 1h."""

    def spells(self, dice: Dice) -> Spells:
        """Return the spells, drawn from these dice."""
        return Spells(self.good, self.bad, dice)
