"""A shell for the sessions that pages show."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from pathlib import Path

HANG = 100.0
"""Seconds; nothing that a page shows takes so long, however busy the machine is."""


class Shell:
    """A shell that is typed into, and what comes out of it."""

    def __init__(self, folder: Path, **environment: str) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._child = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env=os.environ | {"PATH": path} | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._child.stdout is not None
        self._select = selectors.DefaultSelector()
        self._select.register(self._child.stdout, selectors.EVENT_READ)
        self._got = b""

    def type(self, command: str) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(f"{command}\n".encode())
        self._child.stdin.flush()

    def lines(self, count: int) -> list[str]:
        """Return the next lines."""
        assert self._child.stdout is not None
        deadline = time.monotonic() + HANG
        while self._got.count(b"\n") < count:
            assert self._select.select(deadline - time.monotonic()), f"it says no more: {self._got!r}"
            data = os.read(self._child.stdout.fileno(), 65536)
            assert data, f"it has ended: {self._got!r}"
            self._got += data
        *lines, self._got = self._got.split(b"\n", count)
        return [line.decode() for line in lines]

    def until(self, mark: str) -> list[str]:
        """Return the next lines up to that one, which is left out."""
        lines: list[str] = []
        while (line := self.lines(1)[0]) != mark:
            lines.append(line)
        return lines

    def end(self, last: str = "") -> bytes:
        """End it by a last command; return what was not read."""
        self.type(f"{last}\nexit")
        rest, _ = self._child.communicate(timeout=HANG)
        self._select.close()
        return self._got + rest
