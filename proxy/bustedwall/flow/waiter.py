"""Somebody who waits for a moment of a flow: a rule to fire, or a script to go on."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.flow.idle import IdleClock
from bustedwall.flow.run import Run
from bustedwall.flow.watch import Watch
from bustedwall.policy.rules import FlowMoment, Rule


@dataclass(slots=True, eq=False)
class Waiter:
    """What is waited for, by whom, and what is known of it by now."""

    moment: FlowMoment
    rule: Rule
    """Whose moment it is, or whose script waits."""
    run: Run | None = None
    """The script that waits; None: the rule itself."""
    edge: int | None = None
    """The offset of the moment in its direction, once it is known."""
    turn: int | None = None
    """The turn that is waited for."""
    watch: Watch | None = None
    """What it looks for in the bytes."""
    due: float | None = None
    """When the moment comes, where that is known."""
    idle: IdleClock | None = None
    """What tells whether the flow is idle."""
