"""The promises of conftest.py, each shown by a test that breaks it, in a pytest of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BROKEN = """
import pytest, pytest_twisted
from twisted.internet import defer, reactor
from twisted.logger import Logger

@pytest.mark.deadline(0.2)
@pytest_twisted.ensureDeferred
async def test_a_deferred_that_never_fires():
    await defer.Deferred()

@pytest_twisted.ensureDeferred
async def test_an_error_that_nobody_waits_for():
    defer.fail(RuntimeError("unheard"))

def test_a_logged_failure():
    try:
        1 / 0
    except ZeroDivisionError:
        Logger().failure("noted")

def test_a_timer_that_is_left():
    reactor.callLater(60, print)

@pytest_twisted.ensureDeferred
async def test_a_good_one_after_all_that():
    await defer.succeed(None)

def test_outside_the_reactor():
    import greenlet
    assert greenlet.getcurrent().parent is None
"""


@pytest.mark.parametrize("reactor", ["default", "asyncio"])
def test_a_hung_or_failing_deferred_fails_its_test_and_the_next_ones_run(tmp_path: Path, reactor: str) -> None:
    shutil.copy(Path(__file__).parent / "conftest.py", tmp_path)
    (tmp_path / "test_broken.py").write_text(BROKEN)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\naddopts = -p no:cacheprovider\nmarkers = deadline(s)\n real\n root\n"
    )

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", f"--reactor={reactor}", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    failed = set(re.findall(r"^(?:FAILED|ERROR) test_broken\.py::test_(\w+)", run.stdout, re.MULTILINE))
    assert failed == {
        "a_deferred_that_never_fires",
        "an_error_that_nobody_waits_for",
        "a_logged_failure",
        "a_timer_that_is_left",
    }, run.stdout
    assert "still waiting after 0.2 s" in run.stdout
