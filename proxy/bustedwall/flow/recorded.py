"""Decisions of a run that was, which another run makes again: what chance, counts and times decided there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DOOR = 0
"""Stands for the number of a flow where a rule's moment came to the door."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was decided at one proxy."""

    fired: Mapping[tuple[str, int, int], bool] = field(default_factory=dict)
    """By rule, flow and coming, from 1: whether it fired when its moment came."""
    touched: Mapping[tuple[str, int], bool] = field(default_factory=dict)
    """By rule and flow: whether the flow was among the rule's share."""
    in_order: Mapping[tuple[str, int], bool] = field(default_factory=dict)
    """By rule and flow: whether what the rule asks of the order of flows, `above` and `after`, held."""


NOTHING = Recorded()
"""No run was; all is decided anew."""
