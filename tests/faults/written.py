"""Faults as parameters of a test, with the privileges that they need."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from _pytest.mark.structures import ParameterSet

from bustedwall.faults.fault import Fault


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
