"""The texts that a scenario looks for in what its program writes."""

from __future__ import annotations

from collections.abc import Mapping

from bustedwall.suite.filling import filled
from bustedwall.suite.model import Scenario
from bustedwall.suite.phases import WrittenPhase

_PHASES = ("warm", "break_", "heal")


def sought(scenario: Scenario) -> list[str]:
    """Return them."""
    output = scenario.expect.output
    phases = (getattr(scenario.phases, name) for name in _PHASES)
    waited = (phase.until.output for phase in phases if phase is not None and phase.until is not None)
    return [*output.has, *output.lacks, *(text for text in waited if text is not None)]


def with_names(scenario: Scenario, values: Mapping[str, object]) -> Scenario:
    """Return a scenario in whose texts the names in braces are filled in; raises UnknownNameError."""
    expect, phases = scenario.expect, scenario.phases
    output = {key: [filled(text, values) for text in getattr(expect.output, key)] for key in ("has", "lacks")}
    expect = expect.model_copy(update={"output": expect.output.model_copy(update=output)})
    parts = {name: _phase(getattr(phases, name), values) for name in _PHASES}
    return scenario.model_copy(update={"expect": expect, "phases": phases.model_copy(update=parts)})


def _phase(phase: WrittenPhase | None, values: Mapping[str, object]) -> WrittenPhase | None:
    if phase is None or phase.until is None or phase.until.output is None:
        return phase
    until = phase.until.model_copy(update={"output": filled(phase.until.output, values)})
    return phase.model_copy(update={"until": until})
