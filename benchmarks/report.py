"""Medians, ratios, targets: the table and the file."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from measures import BEST_RELAY, Measure, Metric, Target
from relays import BUSTEDWALL, DIRECT, HAPROXY, HAPROXY_1M, PATIENT, RECORDED, SEEN, SLOW
from rounds import Results, Sample

COLUMNS = (DIRECT, HAPROXY, HAPROXY_1M, BUSTEDWALL, RECORDED)
SHOWN_AS = {SEEN: BUSTEDWALL, SLOW: BUSTEDWALL, PATIENT: BUSTEDWALL}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one target."""

    target: Target
    title: str
    value: float | None
    spread: tuple[float, float] | None
    """Lowest and highest ratio of the single rounds."""
    error: str = ""

    @property
    def met(self) -> bool:
        """Tell whether the target was reached."""
        return self.value is not None and self.target.met(self.value)


def judge(measures: list[Measure], results: Results) -> list[Verdict]:
    """Judge every target."""
    return [_judge(measure, target, results) for measure in measures for target in measure.targets]


def _judge(measure: Measure, target: Target, results: Results) -> Verdict:
    title = target.title or measure.title
    for relay in measure.relays:
        errors = [sample["error"] for sample in results.of(measure, relay) if "error" in sample]
        if errors:
            return Verdict(target, title, None, None, f"{relay}: {errors[0]}")
    own = results.of(measure, target.relay)
    if not target.against:
        return Verdict(target, title, _median(own, target.metric), None)
    rivals = [r for r in measure.relays if r != DIRECT] if target.against == BEST_RELAY else [target.against]
    best = max(rivals, key=lambda rival: _median(results.of(measure, rival), target.metric))
    other = results.of(measure, best)
    ratios = [target.metric.of(a) / target.metric.of(b) for a, b in zip(own, other, strict=True)]
    value = _median(own, target.metric) / _median(other, target.metric)
    return Verdict(target, title, value, (min(ratios), max(ratios)))


def _median(samples: list[Sample], metric: Metric) -> float:
    return statistics.median(metric.of(sample) for sample in samples)


def print_values(measures: list[Measure], results: Results) -> None:
    """Print what was measured, then the CPU time that the relays used for it."""
    shown = [(m, m.metric) for m in measures if m.group not in ("latency", "rate")]
    costs = [(m, m.cost) for m in measures if m.cost is not None]
    for heading, rows in (("measured", shown), ("CPU time of the relay", costs)):
        if rows:
            print(f"\n{heading + ', medians':40}" + "".join(f"{column:>12}" for column in COLUMNS))
        for measure, metric in rows:
            print(f"{measure.title + ', ' + metric.unit:40}" + "".join(_cells(measure, metric, results)))


def _cells(measure: Measure, metric: Metric, results: Results) -> list[str]:
    cells = dict.fromkeys(COLUMNS, "")
    for relay in measure.relays:
        samples = results.of(measure, relay)
        failed = any("error" in sample for sample in samples)
        idle = metric is measure.cost and relay == DIRECT
        text = "failed" if failed else "" if idle else f"{_median(samples, metric):,.{metric.digits}f}"
        cells[SHOWN_AS.get(relay, relay)] = text
    return [f"{text:>12}" for text in cells.values()]


def print_verdicts(verdicts: list[Verdict]) -> None:
    """Print each target and whether it was met."""
    print(f"\n{'target':46}{'reached':>9}  {'single rounds':15}{'wanted':26}")
    for verdict in verdicts:
        target = verdict.target
        reached = "-" if verdict.value is None else f"{verdict.value:.2f}"
        spread = f"{verdict.spread[0]:.2f} to {verdict.spread[1]:.2f}" if verdict.spread else ""
        of = f"x {target.against}" if target.against else target.metric.unit
        wanted = f"{'≤' if target.at_most else '≥'} {target.bound:g} {of}"
        answer = verdict.error or ("met" if verdict.met else "NOT MET")
        print(f"{verdict.title:46}{reached:>9}  {spread:15}{wanted:26}{answer}")


def as_data(verdicts: list[Verdict], results: Results) -> dict[str, object]:
    """Return everything as plain data."""
    return {
        "targets": [
            {
                "title": verdict.title,
                "reached": verdict.value,
                "wanted": verdict.target.bound,
                "against": verdict.target.against,
                "met": verdict.met,
                "error": verdict.error,
            }
            for verdict in verdicts
        ],
        "samples": [
            {"measure": measure, "relay": relay, "round": number} | sample
            for (measure, relay), samples in results.samples.items()
            for number, sample in enumerate(samples)
        ],
    }
