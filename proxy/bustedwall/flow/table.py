"""What a proxy knows of all its flows together."""

from __future__ import annotations

from bustedwall.flow.flow import Flow
from bustedwall.policy.rules import Rule


class FlowTable:
    """Numbers a proxy's flows and gives each the logic that its rules ask for."""

    def __init__(self, rules: tuple[Rule, ...] = ()) -> None:
        self._rules = rules
        self.admitted = 0
        """How many flows there have been; the number of the newest."""

    def admit(self) -> Flow | None:
        """Count a new flow; return its logic, or None if no rule can touch it."""
        self.admitted += 1
        return Flow(self._rules) if self._rules else None
