"""Nobody reads what a run says, or keeps its facts: flows go on, and it ends as it should."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from tests.relay.peers import until

WORDS = b"hello"

Stream = int | IO[str] | None


class Run:
    """A proxy in a process of its own, before a server of the test's own."""

    def __init__(
        self, folder: Path, *options: str, redirected: str = "", stdout: Stream = None, stderr: Stream = None
    ) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        ready = folder / "ready"
        words = [sys.executable, "-m", "bustedwall", "run", "--listen", "127.0.0.1:0", "--drain", "0s"]
        words += ["--upstream", f"127.0.0.1:{self.server.getsockname()[1]}", "--ready-file", str(ready), *options]
        command = ["sh", "-c", f"exec {shlex.join(words)} {redirected}"]
        self.process = subprocess.Popen(command, stdout=stdout, stderr=stderr)
        until(lambda: ready.exists() or self.process.poll() is not None, "it is ready", 30)
        self.port = int(json.loads(ready.read_text())["proxies"]["proxy"].rpartition(":")[2])

    def talk(self, times: int) -> None:
        """Have so many flows go through, one after the other."""
        for _ in range(times):
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as client:
                client.sendall(WORDS)
                upstream, _ = self.server.accept()
                with upstream:
                    upstream.settimeout(10)
                    assert upstream.recv(10) == WORDS
                    upstream.sendall(WORDS)
                assert client.recv(10) == WORDS
                assert client.recv(10) == b""

    def end(self) -> int:
        """End it; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def cpu(self) -> int:
        """Return how many ticks of processor time it has used."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(words[11]) + int(words[12])


@contextmanager
def running(
    folder: Path, *options: str, redirected: str = "", stdout: Stream = None, stderr: Stream = None
) -> Iterator[Run]:
    run = Run(folder, *options, redirected=redirected, stdout=stdout, stderr=stderr)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()
        run.server.close()


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


def test_nobody_reads_stderr(tmp_path: Path) -> None:
    reading, writing = small_pipe()
    with running(tmp_path, "-v", "--log", "json", stdout=subprocess.DEVNULL, stderr=writing) as run:
        os.close(writing)
        run.talk(50)  # ten times what the pipe holds
        with os.fdopen(reading) as said:
            run.process.send_signal(signal.SIGTERM)
            facts = [json.loads(line)["fact"] for line in said]
        assert run.process.wait(20) == 0
    assert facts.count("flow-closed") == 50


def test_nobody_reads_the_journal(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    os.mkfifo(journal)
    with running(tmp_path, "-q", "--journal", str(journal), stdout=subprocess.DEVNULL) as run:
        run.talk(150)  # twice what the pipe holds
        with journal.open() as reader:
            run.process.send_signal(signal.SIGTERM)
            facts = [json.loads(line)["fact"] for line in reader]
        assert run.process.wait(20) == 0
    assert facts.count("flow-closed") == 150


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
