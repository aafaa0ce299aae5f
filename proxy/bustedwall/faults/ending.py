"""What the faults that end a leg have in common."""

from __future__ import annotations

from typing import ClassVar

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

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return the endings."""
        return Damage(endings=dict.fromkeys(self.leg.legs(), self.ending()))

    def ending(self) -> Ending:
        """Return how each leg ends."""
        return Ending(self.how, other=self.other)
