"""Facts of the proxy's own limits."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.terms.facts.fact import Fact
from bustedwall.terms.limits import Limit


@dataclass(frozen=True, slots=True)
class LimitReached(Fact):
    """A limit of the config's `limits` bit; what it did is told by the facts that follow."""

    name = "limit-reached"
    limit: Limit
    """Which one."""
    value: float
    """What it is set to: flows, bytes or seconds."""
