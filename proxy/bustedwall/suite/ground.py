"""What all cases of a run have in common, and how programs find it."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
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


@contextlib.contextmanager
def own_folder(scratch: Path) -> Iterator[Path]:
    """Have an empty folder, gone afterwards, whatever a program has made of it; what is elsewhere stays."""
    folder = Path(tempfile.mkdtemp(prefix="case-", dir=scratch))
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            if folder.is_symlink() or not folder.is_dir():
                folder.unlink()
        shutil.rmtree(folder, ignore_errors=True)  # it follows no links; what it leaves, the run's end removes


def variables(names: Mapping[str, object]) -> dict[str, str]:
    """Return what a program has in its environment: `db.port` is BUSTEDWALL_DB_PORT."""
    return {variable(name): str(value) for name, value in names.items()}


def variable(name: str) -> str:
    """Return what the variable of a name is called."""
    return f"BUSTEDWALL_{''.join(c if c.isalnum() else '_' for c in name.upper())}"
