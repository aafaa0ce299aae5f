"""The tables of docs/capabilities.md, column by column, as this kernel has them. It needs root, to give privileges up.

Privileges are taken by the bounding set, and the uid stays: a checkout that only root can read is read all
the same, because it is its owner who reads it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bustedwall.kernel.trials import Aid
from bustedwall.terms.needs import Ability
from bustedwall.testing.written import examples, read

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("armed.py")
DROPPED = ["setpriv", "--inh-caps=-all", "--bounding-set"]
COLUMNS = {
    "root": [],
    "no capability": [*DROPPED, "-all"],
    "NET_RAW only": [*DROPPED, "-all,+net_raw"],
    "NET_ADMIN only": [*DROPPED, "-all,+net_admin"],
    "user namespace": ["unshare", "--user", "--map-root-user", "--net"],
}

Table = dict[str, dict[str, str]]


def tables() -> list[Table]:
    """Read the two tables of five columns: each row by its first cell."""
    found: list[Table] = []
    lines = (ROOT / "docs/capabilities.md").read_text(encoding="utf-8").splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or line.startswith("|--"):
            continue
        if not before.startswith("|"):
            heads = cells
            if heads[-len(COLUMNS) :] == [*COLUMNS]:
                found.append({})
        elif heads[-len(COLUMNS) :] == [*COLUMNS]:
            found[-1][cells[0]] = dict(zip(heads, cells, strict=True))
    return found


ABILITIES, FAULTS = tables()


def texts(row: str) -> list[str]:
    """Return what is in backquotes in a cell."""
    return row.split("`")[1::2]


def own_root() -> bool:
    """Tell whether root is the root of the machine; in a user namespace the last column speaks of it."""
    return Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]


def test_the_tables_have_every_ability_and_every_example_of_every_fault() -> None:
    assert {texts(row)[0] for row in ABILITIES} == {what.value for what in (*Ability, *Aid)}
    told = {text: set(texts(row["needs"])) for cell, row in FAULTS.items() for text in texts(cell)}
    assert told == {text: {need.value for need in read(text).needs()} for text in examples()}


@pytest.mark.root
@pytest.mark.timeout(120)
@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_is_what_this_kernel_does(tmp_path: Path, column: str) -> None:
    within = [] if column != "user namespace" else ["lo"]
    command = [*COLUMNS[column], sys.executable, str(PROGRAM), str(tmp_path), *within]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    shown = column if column != "root" or own_root() else "user namespace"
    assert {each["name"] for each in seen["doctor"]["abilities"]} == {texts(row)[0] for row in ABILITIES}
    for each in seen["doctor"]["abilities"]:
        said = ABILITIES[f"`{each['name']}`"][shown]
        assert (each["hindrance"] or "yes") in ({"yes", "EPERM"} if said == "limited" else {said}), each
    outcomes = {"yes": "armed", "refused": "left out"}
    assert seen["faults"] == {text: outcomes[row[shown]] for cell, row in FAULTS.items() for text in texts(cell)}
