"""What all cases of a run have in common, and how programs find it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bustedwall.suite.remains import Remains


@dataclass(frozen=True, slots=True)
class Ground:
    """What all cases of a run have in common."""

    home: Path
    """Where programs run: the folder of the suite."""
    upstreams: Mapping[str, str]
    """By proxy, as the suite calls it."""
    known: Mapping[str, object]
    """Names of services, for braces."""
    scratch: Path
    """Where cases have their folders; gone afterwards, however we end."""
    remains: Remains
    stop: threading.Event
    """Set: end as soon as may be."""
    again: str
    """The command that repeats the run, without its cases."""


def variables(names: Mapping[str, object]) -> dict[str, str]:
    """Return what a program has in its environment: `db.port` is BUSTEDWALL_DB_PORT."""
    return {f"BUSTEDWALL_{_variable(name)}": str(value) for name, value in names.items()}


def _variable(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name.upper())
