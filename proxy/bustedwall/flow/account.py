"""One flow's part in the account of what all flows hold."""

from __future__ import annotations

from collections.abc import Iterable

from bustedwall.flow.commons import Commons
from bustedwall.flow.direction import Direction
from bustedwall.flow.out import Out
from bustedwall.terms.facts import LimitReached
from bustedwall.terms.limits import Limit


def settle(direction: Direction, commons: Commons, out: Out) -> None:
    """Reckon what a direction holds now; tell when it may hold no more."""
    most, before = commons.limits.flow_held, direction.load
    direction.load = direction.weight()
    if direction.load != before:
        commons.held.change(direction.load - before)
        if before < most <= direction.load:
            out.note(LimitReached(Limit.FLOW_HELD, most))


def forget(directions: Iterable[Direction], commons: Commons) -> None:
    """Hold nothing any more."""
    for direction in directions:
        commons.held.change(-direction.load)
        direction.load = 0
