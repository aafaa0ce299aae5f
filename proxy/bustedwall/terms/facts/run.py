"""Facts of the run as a whole, and of what was settled before there was traffic."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.terms.facts.fact import Fact


@dataclass(frozen=True, slots=True)
class RunStarted(Fact):
    """The run began; with the same seed and the same traffic chance decides the same."""

    name = "run-started"
    seed: int
    """Where all chance of the run comes from, from 0 to 4294967295."""


@dataclass(frozen=True, slots=True)
class SetupTold(Fact):
    """With what the run began."""

    name = "setup-told"
    version: str
    """Of bustedwall; another one may draw otherwise."""
    config: str
    """All of it, as a config that `bustedwall run` accepts, in JSON; policies of files are in its `define`."""


@dataclass(frozen=True, slots=True)
class ReplayDiverged(Fact):
    """A run that is played again was met by other traffic than the one that was recorded."""

    name = "replay-diverged"
    rule: str
    """The rule, as `POLICY/RULE`."""
    coming: int
    """How often its moment has come on this flow, from 1; 0: it is about a share; -1: about `above` and `after`."""
    how: str
    """What is different, in words."""


@dataclass(frozen=True, slots=True)
class StepUnmet(Fact):
    """A step is not done as it was written: it needs what this machine's kernel does not give us."""

    name = "step-unmet"
    rule: str
    """The rule, as `POLICY/RULE`."""
    fault: str
    """The step, as a user would write it."""
    instead: str | None
    """What is done in its place; None: it is left out."""
    missing: tuple[str, ...]
    """The abilities that it needs and this machine has not."""
