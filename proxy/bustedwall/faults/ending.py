"""What the faults that end a leg have in common."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from bustedwall.faults.fault import Damage, Fault, Shared
from bustedwall.faults.whose import Whose
from bustedwall.terms.dice import Dice
from bustedwall.terms.endings import Ending, How, Other


class EndingFault(Fault):
    """Ends legs, once; there is nothing to heal."""

    value: ClassVar[str] = "leg"
    lossless: ClassVar[bool] = False
    how: ClassVar[How]

    leg: Whose
    """Which leg: `client`, `server` or `both`."""
    other: Other = Other.KEEP
    """What becomes of the other leg: `keep` (what it sends is read and thrown away, for 30 s
    at most), `close` or `reset`."""

    @model_validator(mode="after")
    def _has_another(self) -> Self:
        if self.leg is Whose.BOTH and self.other is not Other.KEEP:
            raise PydanticCustomError("other", "there is no other leg than both, so 'other' means nothing")
        return self

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return the endings."""
        return Damage(endings=dict.fromkeys(self.leg.legs(), self.ending()))

    def ending(self) -> Ending:
        """Return how each leg ends."""
        return Ending(self.how, other=self.other)
