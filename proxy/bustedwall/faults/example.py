"""The examples of a fault's page, read as a policy has them."""

from __future__ import annotations

import yaml

from bustedwall.faults.fault import Fault


def read_example(fault: type[Fault], text: str) -> Fault:
    """Return what a step such as `reset: client` means; raises ValueError or YAMLError where it is no step of it."""
    step = yaml.safe_load(text)
    word, value = next(iter(step.items())) if isinstance(step, dict) and len(step) == 1 else (step, {})
    if word != fault.word:
        raise ValueError(f"a step of it begins with '{fault.word}'")
    return fault.model_validate(fault.settings(value))
