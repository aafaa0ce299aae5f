"""Chance without global state: each draw is named by where it is used.

A draw is a hash of the seed and the draw's name (proxy, rule, flow, firing, step, offset …). So the
same seed gives the same draws, whatever else is drawn, added or removed, and in whatever order.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

_WHOLE = 1 << 64


@dataclass(frozen=True, slots=True)
class Dice:
    """A named place at which chance may decide."""

    name: str

    @classmethod
    def seeded(cls, seed: int) -> Dice:
        """Return the root of all draws of a run."""
        return cls(str(seed))

    def at(self, *place: str | int) -> Dice:
        """Return the dice of a place below this one."""
        # A newline is in no name that users can write, so no two places are spelled alike.
        return Dice("\n".join((self.name, *map(str, place))))

    def fraction(self, *place: str | int) -> float:
        """Return the draw of this place, or of one below it: at least 0, less than 1."""
        name = "\n".join((self.name, *map(str, place)))
        return int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) / _WHOLE

    def below(self, limit: int, *place: str | int) -> int:
        """Return a whole number from 0 to `limit - 1`."""
        return int(self.fraction(*place) * limit)
