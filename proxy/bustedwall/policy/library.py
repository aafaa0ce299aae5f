"""Where the policies are that come with the program."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def folder() -> Path:
    """Return the library's folder: inside the installed package, or beside proxy/ in a checkout."""
    installed = Path(str(files("bustedwall") / "_policies"))
    return installed if installed.is_dir() else Path(__file__).parents[3] / "policies"


def names() -> tuple[str, ...]:
    """Return the names of all policies of the library, in order."""
    return tuple(sorted(_paths()))


def find(name: str) -> Path | None:
    """Return the file of a policy of the library, or None."""
    return _paths().get(name)


def _paths() -> dict[str, Path]:
    # One level of folders, the families; a name is never joined to a path.
    return {path.stem: path for path in folder().glob("*/*.yaml")}
