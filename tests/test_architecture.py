"""The arrows between the folders point one way, and the pure folders know nothing of the world."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "proxy" / "bustedwall"

MAY_IMPORT = {
    "terms": set(),
    "faults": {"terms"},
    "policy": {"terms", "faults"},
    "flow": {"terms", "faults", "policy"},
    "explain": {"policy"},
    "kernel": {"terms"},
    "capture": {"terms", "kernel"},
    "relay": {"terms", "faults", "policy", "flow", "kernel", "capture"},
    "record": {"terms"},
    "control": {"terms", "faults", "policy", "flow", "kernel", "relay", "record"},
    "client": set(),
    "chaos": {"client"},
    "testing": {"terms", "faults", "policy", "flow"},
    "cli": {
        "terms",
        "faults",
        "policy",
        "flow",
        "explain",
        "kernel",
        "capture",
        "relay",
        "record",
        "control",
        "client",
        "suite",
        "replay",
    },
    "replay": {"terms", "flow"},
    "child": {"client", "cli"},
    "suite": {"terms", "faults", "policy", "client", "child"},
    "plugin": {"policy", "client", "child"},
}
"""Folder to folder; the folder itself is always allowed."""

PURE = ("terms", "faults", "policy", "flow", "explain", "replay")

WORLD = {"asyncio", "fcntl", "os", "random", "secrets", "select", "signal", "socket", "subprocess", "threading", "time"}
"""What makes a decision depend on more than its arguments."""

FILES = sorted(ROOT.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, late imports included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def folder(path: Path) -> str:
    """Return the folder of the package in which a file lies; empty for the top."""
    parts = path.relative_to(ROOT).parts
    return parts[0] if len(parts) > 1 else ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_arrows(path: Path) -> None:
    here = folder(path)
    if not here:
        return
    others = {name.split(".")[1] for name in imports(path) if name.startswith("bustedwall.")}

    assert others - {here} <= MAY_IMPORT[here]


@pytest.mark.parametrize("path", [path for path in FILES if folder(path) in PURE], ids=lambda path: path.stem)
def test_pure_folders_know_no_socket_clock_reactor_or_dice(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports(path)}

    assert not roots & (WORLD | {"twisted"})


def test_every_folder_has_its_arrows() -> None:
    assert {folder(path) for path in FILES} - {""} == set(MAY_IMPORT)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_one_idea(path: Path) -> None:
    """Three hundred lines are the moment to look hard; a few more may be one idea, many more are not."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 360


@pytest.mark.parametrize("module", ["cli.main", "cli.run", "cli.serving", "relay.wall", "client", "plugin.hooks"])
def test_importing_installs_no_reactor(module: str) -> None:
    """Whoever embeds us, or tests with us, chooses the reactor."""
    program = f"import sys, bustedwall.{module}; sys.exit('twisted.internet.reactor' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_help_needs_neither_twisted_nor_pydantic() -> None:
    program = "import sys, bustedwall.cli.main; sys.exit(bool({'twisted', 'pydantic'} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_the_plugin_costs_nothing_where_it_is_not_used() -> None:
    """Who has bustedwall installed loads it with each run of pytest."""
    new = "{name for name in sys.modules if name.split('.')[0] not in ('pytest', '_pytest')} - before"
    program = f"""import contextlib, pytest, sys, typing
before = set(sys.modules)
import bustedwall.plugin.hooks
assert all(name.split('.')[0] == 'bustedwall' for name in {new}), {new}
"""

    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
