"""The order in which samples are taken."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measures import Measure
from processes import run_load
from relays import Relay, Relays

QUIET = 0.25
"""Processors that strangers may use during a sample."""
TRIES = 3
PAUSE = 0.1

Sample = dict[str, Any]


@dataclass(slots=True)
class Results:
    """All samples, by measure and relay."""

    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)
    repeated: int = 0
    disturbed: int = 0

    def of(self, measure: Measure, relay: str) -> list[Sample]:
        """Return the samples of one relay in one measure."""
        return self.samples.setdefault((measure.title, relay), [])


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    warmup: float
    seconds: float


class Runner:
    """Takes samples, with all relays of a comparison close together in time."""

    def __init__(self, load: Path, relays: Relays, plan: Plan) -> None:
        self._load = load
        self._relays = relays
        self._plan = plan
        self.results = Results()

    def run(self, measures: Iterable[Measure]) -> Results:
        """Run everything: first what needs fresh relays, on a machine where nothing else runs yet."""
        measures = list(measures)
        for measure in measures:
            if measure.fresh:
                self._run_fresh(measure)
        interleaved = [measure for measure in measures if not measure.fresh]
        running = {name: self._relays.start(name) for name in dict.fromkeys(n for m in interleaved for n in m.relays)}
        for number in range(self._plan.rounds if interleaved else 0):
            _say(f"round {number + 1} of {self._plan.rounds}")
            for measure in interleaved:
                for name in measure.relays[:: -1 if number % 2 else 1]:  # A B C, C B A: a drift hits all alike
                    self.results.of(measure, name).append(self._quiet_sample(measure, running[name]))
        return self.results

    def _run_fresh(self, measure: Measure) -> None:
        _say(measure.title)
        for name in measure.relays:
            relay = self._relays.start(name)
            self.results.of(measure, name).append(self._sample(measure, relay))
            self._relays.stop(relay)

    def _quiet_sample(self, measure: Measure, relay: Relay) -> Sample:
        """Take a sample, again if strangers disturbed it; the quietest counts."""
        tries: list[Sample] = []
        while len(tries) < TRIES:
            tries.append(self._sample(measure, relay))
            if "error" in tries[-1]:
                return tries[-1]
            if tries[-1]["strangers"] <= QUIET:
                break
        best = min(tries, key=lambda sample: float(sample["strangers"]))
        self.results.repeated += len(tries) - 1
        self.results.disturbed += best["strangers"] > QUIET
        return best

    def _sample(self, measure: Measure, relay: Relay) -> Sample:
        window = ("--warmup", self._plan.warmup, "--seconds", self._plan.seconds)
        pids = ("--relay-pid", relay.pid, "--backend-pid", self._relays.backend_pid)
        sample = run_load(self._load, (*measure.command, "--port", relay.port, *window, *pids))
        if "relay_cpu_s" in sample:
            sample["relay_cpu_per_unit"] = sample["relay_cpu_s"] / max(sample.get("bytes", sample.get("count", 0)), 1)
        time.sleep(PAUSE)
        return sample


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
