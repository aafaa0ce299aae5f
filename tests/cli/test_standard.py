"""Nobody reads what a run says, or keeps its facts: flows go on, and it ends as it should."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.cli.running import Run, running
from tests.relay.peers import until


def small_pipe() -> tuple[int, int]:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    return reading, writing


@pytest.mark.parametrize("form", ["text", "json"])
def test_whoever_read_stdout_and_stderr_has_gone(tmp_path: Path, form: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with running(tmp_path, "-v", "--log", form, stdout=writing, stderr=writing) as run:
        os.close(writing)
        run.talk(20)
        used = run.cpu()
        assert not until_it_rests(run), "it neither writes again and again nor turns in a circle"
        assert run.cpu() >= used
        assert run.end() == 0


def until_it_rests(run: Run) -> bool:
    """Tell whether it still works after its flows have ended: two tenths of a second without a tick are rest."""
    deadline = threading.Event()
    for _ in range(50):
        before = run.cpu()
        deadline.wait(0.2)
        if run.cpu() == before:
            return False
    return True


def until_closed(told: Iterable[str], count: int) -> None:
    """Read until so many flows have ended: the end of a run waits but two seconds for who reads."""
    for line in told:
        count -= json.loads(line)["fact"] == "flow-closed"
        if not count:
            return
    pytest.fail(f"{count} flows more were to end")


def test_nobody_reads_stderr(tmp_path: Path) -> None:
    reading, writing = small_pipe()
    with running(tmp_path, "-v", "--log", "json", stdout=subprocess.DEVNULL, stderr=writing) as run:
        os.close(writing)
        run.talk(50)  # ten times what the pipe holds
        with os.fdopen(reading) as said:
            until_closed(said, 50)
            run.process.send_signal(signal.SIGTERM)
            assert not [line for line in said if "flow-closed" in line]
        assert run.process.wait(50) == 0


def test_nobody_reads_the_journal(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    os.mkfifo(journal)
    with running(tmp_path, "-q", "--journal", str(journal), stdout=subprocess.DEVNULL) as run:
        run.talk(150)  # twice what the pipe holds
        with journal.open() as reader:
            until_closed(reader, 150)
            run.process.send_signal(signal.SIGTERM)
            assert not [line for line in reader if "flow-closed" in line]
        assert run.process.wait(50) == 0


def test_standard_streams_that_are_closed_are_nobody_elses_number(tmp_path: Path) -> None:
    with running(tmp_path, "-v", redirected="<&- >&- 2>&-") as run:
        run.talk(3)
        links = [str(Path(f"/proc/{run.process.pid}/fd/{fd}").readlink()) for fd in range(3)]
        assert links == ["/dev/null"] * 3
        assert run.end() == 0


def test_a_full_disk_is_told_on_stderr_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with (
        log.open("w") as errors,
        running(tmp_path, "--log", "text", "--journal", "/dev/full", stdout=subprocess.DEVNULL, stderr=errors) as run,
    ):
        run.talk(10)
        until(lambda: "journal-troubled" in log.read_text(), "it is told")
        run.talk(10)
        assert run.end() == 0
    said = log.read_text()
    assert said.count("journal-troubled trouble='cannot be written' error=ENOSPC") == 1
    lost = re.search(r" - warn: the journal lost (\d+) facts\n", said)
    assert lost
    assert int(lost[1]) >= 20 * len(("flow-accepted", "flow-opened", "flow-closed"))
