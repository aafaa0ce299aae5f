"""Every fault as its page writes it, found by the registry, and the policies that a test makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import yaml
from _pytest.mark.structures import ParameterSet

from bustedwall.faults import registry
from bustedwall.faults.fault import Fault, LastingFault
from bustedwall.policy.load import load_policy, load_use
from bustedwall.policy.rules import Arm, Rule


def examples() -> Iterator[str]:
    """Yield each step that a page shows."""
    for fault in registry().values():
        yield from fault.page.examples


def read(text: str) -> Fault:
    """Read a step as a policy has it, and as a fault writes itself."""
    step = yaml.safe_load(text)
    ((word, value),) = step.items() if isinstance(step, dict) else ((step, ""),)
    kind = registry()[word]
    return kind.model_validate(kind.long_form(value) if isinstance(value, str) else value)


def written(fault: Fault) -> object:
    """Write a fault as a step of a policy."""
    word, _, rest = str(fault).partition(" ")
    return yaml.safe_load(f"{word}: {rest}" if rest else word)


def spanning(fault: LastingFault, seconds: float | None) -> LastingFault:
    """Return the same fault, ending by itself after so long, or not."""
    settings = {name: getattr(fault, name) for name in type(fault).model_fields}
    told = fault.model_fields_set - {"span"} if seconds is None else fault.model_fields_set | {"span"}
    return type(fault).model_construct(told, **settings | {"span": seconds})


def lasting(seconds: float) -> Iterator[LastingFault]:
    """Yield each example that can end by itself, set to end after so long."""
    for fault in map(read, examples()):
        if isinstance(fault, LastingFault):
            yield spanning(fault, seconds)


def privileges(fault: Fault) -> list[str]:
    """Return the capabilities that a kernel may ask for it."""
    return sorted({ability.privilege for ability in fault.needs() if ability.privilege})


def guarded(fault: Fault) -> bool:
    """Tell whether a kernel may ask a privilege for it."""
    return bool(privileges(fault))


def marked(faults: Mapping[str, Fault]) -> list[ParameterSet]:
    """Return the names of faults as parameters of a test; what is guarded runs where there is the privilege."""
    return [
        pytest.param(name, marks=[pytest.mark.root(*privileges(fault))] if guarded(fault) else [])
        for name, fault in faults.items()
    ]


def moment(fault: Fault) -> str:
    """Return a moment at which a fault can be done."""
    return "applied" if fault.at_door else "open"


def rules_of(folder: Path, steps: Sequence[object], when: str) -> tuple[Rule, ...]:
    """Load a policy of one rule as a user does; return its rules."""
    path = folder / "made.yaml"
    rule = {"name": "rule", "when": when, "do": list(steps)}
    path.write_text(yaml.safe_dump({"version": 1, "name": "made", "summary": "Made by a test.", "rules": [rule]}))
    load_policy(path)
    return load_use(str(path))


def faults_of(rules: Sequence[Rule]) -> list[Fault]:
    """Return the faults that rules do, in order."""
    return [step.fault for rule in rules for step in rule.steps if isinstance(step, Arm)]
