"""What must not stay behind, however we end: a process of its own ends and removes what is on its list.

Each line of its stdin is `+PGID`, `-PGID` or `/FOLDER`. When stdin ends, and so also when the process that
writes to it is killed, all groups of processes that are left are killed, and the folders are removed.
So is every process that has the run's mark in the environment it was started with: one that was started
when there was no time left to write its group down, and one that has made a session of its own.
It is run as a file, by a Python without site: it starts in 10 ms and imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

MARK = "BUSTEDWALL_RUN"
"""The variable by which a program of a run is known; its value is the run's own."""

_PAUSE = 0.02
"""Seconds from one look to the next: a process has no environment for a moment while it becomes a program."""

_LOOKS = 250
"""So often at most; what the kernel does not let go by then is left."""


class Remains:
    """The list, kept by a process that outlives us by what it needs to clear it."""

    def __init__(self) -> None:
        self.env = {MARK: secrets.token_hex(8)}
        """What the programs must have in their environment."""
        command = [sys.executable, "-I", "-S", __file__, self.env[MARK]]
        # Without the mark of a suite in whose program we may run: it is this process that clears what is ours.
        env = {name: value for name, value in os.environ.items() if name != MARK}
        # In a session of its own: Ctrl-C is for us alone, and so is what a terminal sends when it is closed.
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, env=env, start_new_session=True)  # noqa: S603 (our own words)
        self._lock = threading.Lock()

    def group(self, number: int) -> None:
        """Put a group of processes on the list."""
        self._tell(f"+{number}")

    def group_over(self, number: int) -> None:
        """Take one off."""
        self._tell(f"-{number}")

    def folder(self, path: str) -> None:
        """Put a folder on the list; its path is absolute."""
        self._tell(path)

    def clear(self) -> None:
        """Have all be cleared now, and wait for it."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.wait()

    def _tell(self, line: str) -> None:
        assert self._child.stdin is not None
        with self._lock:
            self._child.stdin.write(f"{line}\n".encode(errors="surrogateescape"))
            self._child.stdin.flush()


def _watch(mark: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    folders: list[str] = []
    for line in sys.stdin.buffer:
        text = os.fsdecode(line.rstrip(b"\n"))
        if text.startswith("+"):
            groups.add(int(text))
        elif text.startswith("-"):
            groups.discard(-int(text))
        else:
            folders.append(text)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended; or it is somebody else's by now
            os.killpg(group, signal.SIGKILL)
    _end_marked(f"{MARK}={mark}".encode())
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _end_marked(mark: bytes) -> None:
    """Kill all that have the mark, and what they start meanwhile, until two looks have found none."""
    empty = 0
    for _ in range(_LOOKS):
        left = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit() and _has(one, mark)]
        empty = 0 if left else empty + 1
        if empty == 2:  # noqa: PLR2004 (two looks)
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE)


def _has(process: Path, mark: bytes) -> bool:
    with contextlib.suppress(OSError):  # it has ended, or is somebody else's
        return mark in (process / "environ").read_bytes().split(b"\0")
    return False


if __name__ == "__main__":
    _watch(sys.argv[1])
