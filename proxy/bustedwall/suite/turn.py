"""A case that is played once: what it is called, how it is repeated, and what is said of it in the end."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from hashlib import blake2b

from bustedwall.suite.plan import Case
from bustedwall.suite.result import CaseResult, Verdict

_NAME = 48
"""Characters of its name that are in its proxies'."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A case, for the first time or again."""

    case: Case
    time: int
    """How many times it has been played then, from 1."""

    @property
    def name(self) -> str:
        """What it is called in reports."""
        return self.case.name if self.time == 1 else f"{self.case.name}#{self.time}"

    @property
    def prefix(self) -> str:
        """What its proxies' names begin with: the same in each run, because draws are named by it."""
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", self.case.name).strip("-")
        return f"{plain[:_NAME]}-{blake2b(self.name.encode(), digest_size=3).hexdigest()}"

    def result(self, verdict: Verdict, why: tuple[str, ...], again: str) -> CaseResult:
        """Return what is to be said of it, as far as it is known without playing it; `again` repeats the suite."""
        case = self.case
        repeat = "" if self.time == 1 else f" --repeat {self.time}"
        return CaseResult(
            name=self.name,
            scenario=case.scenario.name,
            line=case.line,
            about=case.scenario.about,
            values=case.values,
            policies=tuple(map(str, case.policies)),
            verdict=verdict,
            why=why,
            again=f"{again} -k {shlex.quote(case.name)}{repeat}",
            seconds=0.0,
            exit=None,
        )

    def broken(self, why: str, again: str) -> CaseResult:
        """Return what is to be said of it where it could not be played."""
        return self.result(Verdict.BROKEN, (why,), again)
