"""A proxy in a process of its own, before a server of the test's own, told all by its command line."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.relay.peers import until

WORDS = b"hello"

Stream = int | IO[str] | None


class Run:
    """A proxy in a process of its own, before a server of the test's own."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        config: Path | None = None,
        redirected: str = "",
        stdout: Stream = None,
        stderr: Stream = None,
    ) -> None:
        """`config`: its proxies run, and not one before the test's server."""
        self.folder = folder
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(20)
        ready = folder / "ready"
        words = [sys.executable, "-m", "bustedwall", "run", "--drain", "0s", "--ready-file", str(ready)]
        upstream = f"127.0.0.1:{self.server.getsockname()[1]}"
        words += ["--listen", "127.0.0.1:0", "--upstream", upstream] if config is None else [str(config)]
        words += options
        command = ["sh", "-c", f"exec {shlex.join(words)} {redirected}"]
        self.process = subprocess.Popen(command, stdout=stdout, stderr=stderr)
        until(lambda: ready.exists() or self.process.poll() is not None, "it is ready", 50)
        where = next(iter(json.loads(ready.read_text())["proxies"].values()))
        self.port = int(where.rpartition(":")[2])
        """Of the first proxy."""

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
        return self.process.wait(50)

    def cpu(self) -> int:
        """Return how many ticks of processor time it has used."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(words[11]) + int(words[12])


@contextmanager
def running(
    folder: Path,
    *options: str,
    config: Path | None = None,
    redirected: str = "",
    stdout: Stream = None,
    stderr: Stream = None,
) -> Iterator[Run]:
    run = Run(folder, *options, config=config, redirected=redirected, stdout=stdout, stderr=stderr)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()
        run.server.close()
