"""What a suite has found: plain data, from which each report is made, and of which `--json` is the text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

SCHEMA = 1
"""Of the JSON: it changes when a program that reads the reports of today would misread them."""

Value = str | int | float | bool | None


class Verdict(Enum):
    """How a case came out."""

    PASSED = "PASSED"
    """The fault was there, and the program did what was expected."""
    FAILED = "FAILED"
    """The program did something else."""
    VACUOUS = "VACUOUS"
    """The program did what was expected, and a fault that it should have met had no effect."""
    BROKEN = "BROKEN"
    """Nothing can be said of the program: a service, the upstream or this machine was not as it had to be."""


class PhaseName(Enum):
    """A part of a case."""

    WARM = "warm"
    """Nothing is broken yet."""
    BREAK = "break"
    """The policies are in force."""
    HEAL = "heal"
    """They are no more."""


@dataclass(frozen=True, slots=True)
class Phase:
    """When a part of a case was; seconds since the case began."""

    name: PhaseName
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line that the program wrote, to stdout or to stderr."""

    at: float
    """Seconds since the case began, when it came."""
    text: str


@dataclass(frozen=True, slots=True)
class Sample:
    """What one flow had carried at one time."""

    at: float
    """Seconds since the case began."""
    proxy: str
    flow: int
    from_client: int
    """Bytes that were read from the client so far."""
    from_server: int
    """Bytes that were read from the server so far."""
    retransmits_client: int | None
    """Segments that the kernel has sent again to the client so far; None: its socket was closed."""
    retransmits_server: int | None
    """The same to the server."""


@dataclass(frozen=True, slots=True)
class Happened:
    """A fact, as docs/facts.md has them."""

    at: float
    """Seconds since the case began."""
    proxy: str | None
    """As the suite calls it; None: it is of the whole run."""
    flow: int | None
    fact: str
    told: Mapping[str, Any]
    """Its other fields."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case: a scenario with one set of values."""

    name: str
    """The scenario's, with the values of its matrix in brackets, and `#2` behind it where it is the second time."""
    scenario: str
    line: int
    """Where the scenario is in the suite's file."""
    about: str
    values: Mapping[str, Value]
    """Of the matrix; what is no single value is written as text."""
    policies: tuple[str, ...]
    """As `NAME` or `NAME:key=value,key=value`."""
    verdict: Verdict
    why: tuple[str, ...]
    """A sentence for each thing that is not as it should be; for one that PASSED, what was there."""
    again: str
    """The command that repeats it."""
    seconds: float
    exit: int | None
    """The program's, negative for a signal; None: it has not run, or was ended by us."""
    phases: tuple[Phase, ...] = ()
    lines: tuple[Line, ...] = ()
    """The program's output; the first and the last of it where it is long."""
    lines_left_out: int = 0
    """So many between the first and the last."""
    facts: tuple[Happened, ...] = ()
    """In their order; the first and the last of them where there are many."""
    facts_left_out: int = 0
    """So many between the first and the last."""
    samples: tuple[Sample, ...] = ()
    """In the order of their times; fewer where a case is long or has many flows."""


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """All cases of one run of a suite."""

    suite: str
    file: str
    seed: int
    bustedwall: str
    """The version that ran it."""
    at: str
    """When it began, in UTC, as ISO 8601."""
    seconds: float
    jobs: int
    cases: tuple[CaseResult, ...]
    """In the suite's order."""
    schema: int = field(default=SCHEMA)

    @property
    def passed(self) -> bool:
        """Tell whether each case has PASSED; a suite of none has not."""
        return bool(self.cases) and all(case.verdict is Verdict.PASSED for case in self.cases)

    def count(self, verdict: Verdict) -> int:
        """Return how many came out so."""
        return sum(case.verdict is verdict for case in self.cases)
