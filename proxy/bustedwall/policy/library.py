"""Where the policies are that come with the program."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

FAMILIES = {
    "endpoints": "What programs and hosts do",
    "silence": "What is lost without a word",
    "idle": "What time does to a quiet connection",
    "limits": "What is too small, too slow or too old",
    "active": "What boxes in between do",
}
"""The folders of the library, and what their policies have in common."""


@cache
def folder() -> Path:
    """Return the library's folder: inside the installed package, or beside proxy/ in a checkout."""
    installed = Path(str(files("bustedwall") / "_policies"))
    return installed if installed.is_dir() else Path(__file__).parents[3] / "policies"


def names(family: str = "*") -> tuple[str, ...]:
    """Return the names of all policies of the library, or of one family, in order."""
    return tuple(sorted(_paths(family)))


def find(name: str) -> Path | None:
    """Return the file of a policy of the library, or None."""
    return _paths().get(name)


def _paths(family: str = "*") -> dict[str, Path]:
    # One level of folders, the families; a policy's name is never joined to a path.
    return {path.stem: path for path in folder().glob(f"{family}/*.yaml")}
