"""HOW: one file per fault. A file that defines a Fault adds its word to the language, as does an installed package."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from bustedwall.faults.fault import Fault
from bustedwall.faults.installed import installed


@cache
def built_in() -> dict[str, type[Fault]]:
    """Return our own faults by their words, found by importing each file of this folder."""
    found: dict[str, type[Fault]] = {}
    for module in pkgutil.iter_modules(__path__):
        for value in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, Fault) and "word" in vars(value):
                assert found.setdefault(value.word, value) is value, f"two faults are called {value.word}"
    return dict(sorted(found.items()))


@cache
def registry() -> dict[str, type[Fault]]:
    """Return every fault by its word, ours and those of installed packages; raises UnfitError."""
    ours = built_in()
    return dict(sorted({**ours, **installed(ours)}.items()))
