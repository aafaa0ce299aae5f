"""Steps that this machine's kernel cannot do: told, replaced, or left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bustedwall.faults.fault import Fault, LastingFault
from bustedwall.policy.config_model import OnMissing
from bustedwall.policy.problem import Problem
from bustedwall.policy.rules import Arm, Rule, Step
from bustedwall.policy.words import either
from bustedwall.terms.facts import StepUnmet
from bustedwall.terms.needs import NOTHING, Ability, Needs, way_to


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which a policy is loaded."""

    time_scale: float = 1.0
    """More than 0; divides the defaults of parameters marked `scale`."""
    missing: Needs = NOTHING
    """What this machine's kernel cannot do."""
    on_missing: OnMissing = OnMissing.FAIL
    """What becomes of a step that needs it."""


AS_WRITTEN = Terms()
"""Nothing is scaled, and nothing is missing."""

Tell = Callable[[int, str, str], Problem]
"""Makes a problem of a step, by its number, a message and a hint."""


def spare(rule: Rule, terms: Terms, tell: Tell) -> tuple[Rule | None, list[StepUnmet], list[Problem]]:
    """Return the rule as this machine can run it, None where nothing is left of it; and what to say of it."""
    steps: list[Step] = []
    notices: list[StepUnmet] = []
    problems: list[Problem] = []
    for i, step in enumerate(rule.steps):
        lacking = _lacking(step.fault, terms.missing) if isinstance(step, Arm) else ()
        if not lacking or not isinstance(step, Arm):
            steps.append(step)
            continue
        instead = _nearest(step.fault, terms) if terms.on_missing is OnMissing.APPROXIMATE else None
        if instead is not None:
            steps.append(Arm(instead, instead.span if isinstance(instead, LastingFault) else None))
        elif terms.on_missing is not OnMissing.SKIP:
            what = f"'{step.fault}' needs {_listed(lacking)}, which this machine's kernel does not give us"
            problems.append(replace(tell(i, what, _way_out(step.fault, terms)), privilege=True))
            continue
        words = tuple(ability.value for ability in lacking)
        notices.append(StepUnmet(rule.name, str(step.fault), None if instead is None else str(instead), words))
    if steps == list(rule.steps):
        return rule, notices, problems
    return (replace(rule, steps=tuple(steps)) if any(isinstance(s, Arm) for s in steps) else None), notices, problems


def _lacking(fault: Fault, missing: Needs) -> tuple[Ability, ...]:
    return tuple(ability for ability in Ability if ability in missing and ability in fault.needs())


def _nearest(fault: Fault, terms: Terms) -> Fault | None:
    instead = fault.approximation()
    return instead if instead is not None and not _lacking(instead, terms.missing) else None


def _way_out(fault: Fault, terms: Terms) -> str:
    instead = _nearest(fault, terms)
    asked = dict.fromkeys(ability.privilege for ability in _lacking(fault, terms.missing))
    get = "".join(f"it takes {way_to(capability)}; " for capability in asked if capability is not None)
    ways = ["skip"] if instead is None else [f"approximate (which does '{instead}')", "skip"]
    return f"{get}'bustedwall doctor' says why and how to get it; or set on_missing to {either(ways)}"


def _listed(abilities: tuple[Ability, ...]) -> str:
    return " and ".join(ability.value for ability in abilities)
