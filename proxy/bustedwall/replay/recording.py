"""What a journal holds of one run: its seed, its setup, and every decision."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bustedwall.flow.recorded import Recorded
from bustedwall.replay.decision import ORDER, SHARE, Decision, Key, decision

SCHEMA = 1
"""The lines that are understood."""


class NoRecordingError(ValueError):
    """A file is no journal, or one that cannot be played again; `line` is where, from 1."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


@dataclass(slots=True)
class Recording:
    """One run, as its journal has it."""

    seed: int
    version: str
    """Of the program that ran it."""
    config: str
    """What it began with, as JSON."""
    decisions: dict[Key, Decision] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    """What was changed while it ran, as sentences; from there on its decisions may be others'."""
    dropped: int = 0
    """Facts that the journal has not, as it says itself."""
    torn: list[int] = field(default_factory=list)
    """Lines, from 1, that a crash or a full disk has left in pieces: facts that are missing, too."""

    def by_proxy(self) -> Mapping[str, Recorded]:
        """Return the decisions as rules ask for them."""
        names = {key.proxy for key in self.decisions}
        return {name: self._of(name) for name in names}

    def _of(self, proxy: str) -> Recorded:
        mine = [(key, one) for key, one in self.decisions.items() if key.proxy == proxy]
        return Recorded(
            {(key.rule, key.flow, key.coming): one.fired for key, one in mine if key.coming > 0},
            {(key.rule, key.flow): one.fired for key, one in mine if key.coming == SHARE},
            {(key.rule, key.flow): one.fired for key, one in mine if key.coming == ORDER},
        )


def read(lines: Iterable[str]) -> Recording:
    """Return the last run of a journal, which may hold several; raises NoRecordingError."""
    reader = _Reader()
    for number, line in enumerate(lines, 1):
        if line.strip():
            reader.take(number, line)
    if reader.found is None:
        raise NoRecordingError(0, "there is no beginning of a run in it: no 'run-started' with 'setup-told' behind it")
    return reader.found


class _Reader:
    """Takes the lines of a journal."""

    def __init__(self) -> None:
        self.found: Recording | None = None
        """The run that is read."""
        self._seed: int | None = None

    def take(self, number: int, line: str) -> None:
        """Take a line; raises NoRecordingError."""
        fact = _fact(line)
        if fact is None and self._seed is not None:
            if self.found is not None:
                self.found.torn.append(number)
            return
        if fact is None or "fact" not in fact:
            raise NoRecordingError(number, "this is not a line of a journal")
        if (schema := fact.get("schema")) != SCHEMA:
            raise NoRecordingError(number, f"a line of version {schema}; version {SCHEMA} is understood here")
        try:
            self._learn(fact)
        except KeyError as error:
            raise NoRecordingError(number, f"a fact '{fact['fact']}' without '{error.args[0]}'") from None
        except (TypeError, ValueError):
            raise NoRecordingError(number, f"a fact '{fact['fact']}' with a value of another kind") from None

    def _learn(self, fact: Mapping[str, Any]) -> None:
        match fact["fact"]:
            case "run-started":
                self._seed, self.found = int(fact["seed"]), None
            case "setup-told" if self._seed is not None:
                self.found = Recording(self._seed, str(fact["version"]), str(fact["config"]))
            case _ if self.found is not None:
                _take(self.found, fact)


def _fact(line: str) -> dict[str, Any] | None:
    """Return what a line tells, None: it is not whole."""
    try:
        fact = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return fact if isinstance(fact, dict) else None


def _take(recording: Recording, fact: Mapping[str, Any]) -> None:
    told = decision(fact)
    if told is not None:
        recording.decisions[told[0]] = told[1]
    match fact["fact"]:
        case "facts-dropped":
            recording.dropped += int(fact["count"])
        case "rules-changed" | "panic" | "reloaded" | "control-changed":
            recording.changes.append(f"{fact['at']}: {fact['fact']} {fact['proxy'] or ''}".rstrip())
