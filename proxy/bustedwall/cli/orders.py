"""What the process may be told to do while it runs, by a signal, a line of the command file, or the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bustedwall.policy.words import either, nearest
from bustedwall.terms.facts import CommandRefused, Fact, Panic, SignalFired

if TYPE_CHECKING:
    from bustedwall.relay.service import Cleared
    from bustedwall.relay.wall import Wall

_SHOWN = 100
"""How much of a line that is no command is told."""

COMMANDS = ("panic", "reload", "signal", "state")


class Orders:
    """Carries them out; each leaves a fact."""

    def __init__(
        self, wall: Wall, record: Callable[[Fact], None], *, reload: Callable[[], None], tell: Callable[[], None]
    ) -> None:
        self._wall = wall
        self._record = record
        self._reload = reload
        self._tell = tell

    def panic(self, cause: str = "signal") -> Cleared:
        """Take all rules away, at once and everywhere; what they did is healed, and flows go on."""
        cleared = self._wall.clear()
        self._record(Panic(cause, cleared.rules, cleared.faults, cleared.flows))
        return cleared

    def signal(self, name: str) -> int:
        """Fire a signal of the policies; return how many rules wait for it."""
        heard = self._wall.signal(name)
        self._record(SignalFired(name, heard))
        return heard

    def obey(self, line: str) -> None:
        """Do what a line says; one that is empty says nothing."""
        match line.split():
            case []:
                pass
            case ["panic"]:
                self.panic("command file")
            case ["reload"]:
                self._reload()
            case ["state"]:
                self._tell()
            case ["signal", name]:
                self.signal(name)
            case [word, *_]:
                self._record(CommandRefused(line.strip()[:_SHOWN], _wrong(word)))


def _wrong(word: str) -> str:
    if word == "signal":
        return "which signal? One name goes with it"
    if word in COMMANDS:
        return f"nothing goes with '{word}'"
    hint = nearest(word, COMMANDS)
    return f"expected {either(COMMANDS)}{hint and f'; {hint}'}"
