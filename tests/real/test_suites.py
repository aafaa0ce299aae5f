"""The suites of configs/suites, against real servers with real clients: each case comes out as its suite expects."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bustedwall.suite.plan import load_suite

FOLDER = Path(__file__).parents[2] / "configs" / "suites"
SUITES = {
    "http": ("nginx", "node"),
    "redis": ("redis-server",),
    "postgresql": ("postgres",),
    "mariadb": ("mariadbd",),
    "celery": ("redis-server",),
    "grpc": (),
}


def test_every_suite_that_ships_is_played_here_and_listed_on_its_page() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(SUITES)
    page = (FOLDER / "README.md").read_text()
    assert all(f"[{name}.yaml]({name}.yaml)" in page for name in SUITES)


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_loads_and_each_scenario_says_what_it_shows(name: str) -> None:
    suite = load_suite(FOLDER / f"{name}.yaml")
    assert suite.name == name
    assert all(case.scenario.about for case in suite.cases)
    names = {case.scenario.name for case in suite.cases}
    assert {one.removesuffix("-mended") for one in names} <= names, "what is mended stands beside what was wrong"


@pytest.mark.real("nginx", "node", "redis-server", "postgres", "mariadbd")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", SUITES)
def test_each_case_comes_out_as_expected(name: str) -> None:
    command = [sys.executable, "-m", "bustedwall", "test", str(FOLDER / f"{name}.yaml"), "--jobs", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
