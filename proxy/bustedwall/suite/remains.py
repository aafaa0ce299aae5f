"""What must not stay behind, however we end: a process of its own ends and removes what is on its list.

Each line of its stdin is `+PGID`, `-PGID` or `/FOLDER`. When stdin ends, and so also when the process that
writes to it is killed, all groups of processes that are left are killed, and the folders are removed.
It is run as a file, by a Python without site: it starts in 10 ms and imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading


class Remains:
    """The list, kept by a process that outlives us by what it needs to clear it."""

    def __init__(self) -> None:
        command = [sys.executable, "-I", "-S", __file__]
        # In a session of its own: Ctrl-C is for us alone, and so is what a terminal sends when it is closed.
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 (our own words)
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


def _watch() -> None:
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
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _watch()
