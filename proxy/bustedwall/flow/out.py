"""Where the parts of a flow's logic put their commands, in order."""

from __future__ import annotations

from bustedwall.terms.commands import Command, Note
from bustedwall.terms.facts import Fact


class Out:
    """The commands of the event that is being handled."""

    __slots__ = ("_commands",)

    def __init__(self) -> None:
        self._commands: list[Command] = []

    def do(self, command: Command) -> None:
        """Add a command."""
        self._commands.append(command)

    def note(self, fact: Fact) -> None:
        """Add a fact."""
        self._commands.append(Note(fact))

    def take(self) -> list[Command]:
        """Return what has been put here since the last time; the list belongs to the caller."""
        taken, self._commands = self._commands, []
        return taken
