"""Facts in their order, and never early: what tells of an act is recorded when the act is done.

A program that follows the journal may act on a fact at once. If `fault-armed` were recorded before
the fault is in the kernel, what that program sends could slip through between the two.
"""

from __future__ import annotations

from abc import abstractmethod

from bustedwall.terms.facts import Fact


class Notes:
    """Who observes facts while it does what the logic commands."""

    __slots__ = ("_untold",)

    def __init__(self) -> None:
        self._untold: list[Fact] | None = None
        """What was observed during the performance that is under way; None if there is none."""

    @abstractmethod
    def record(self, fact: Fact) -> None:
        """Hand a fact on, at once."""

    @property
    def performing(self) -> bool:
        """Tell whether a performance is under way."""
        return self._untold is not None

    def note(self, fact: Fact) -> None:
        """Record a fact, behind what is being performed."""
        if self._untold is None:
            self.record(fact)
        else:
            self._untold.append(fact)

    def begin(self) -> None:
        """Begin a performance: facts wait for its end. There is none within another."""
        assert self._untold is None, "facts of the performance that is under way would be lost"
        self._untold = []

    def end(self) -> None:
        """End the performance and record what was observed."""
        facts, self._untold = self._untold, None
        for fact in facts or ():
            self.record(fact)
