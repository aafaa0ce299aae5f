"""The journal: every fact as a line of JSON, each whole once it is there."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from twisted.logger import Logger

from bustedwall.record.line import line
from bustedwall.record.stream import Entry
from bustedwall.record.writer import ROOM, Writer
from bustedwall.terms.facts import Fact, FactsDropped, JournalTroubled
from bustedwall.terms.trouble import Trouble

log = Logger()


class Journal:
    """Appends to a file. Raises OSError if it cannot be opened.

    What happens to the journal itself is told by `tell`, in whatever thread; the journal says only,
    at its place, how many facts are missing.
    """

    def __init__(self, path: Path, tell: Callable[[Fact], None], *, room: int = ROOM) -> None:
        self._tell = tell
        self._writer = Writer(partial(_open, path), self._gap, self._troubled, room=room)

    @property
    def dropped(self) -> int:
        """Facts that are not in the file and will never be."""
        return self._writer.dropped

    def wants(self, kind: type[Fact]) -> bool:
        """Want all."""
        return True

    def take(self, entry: Entry) -> None:
        """Have one line written soon."""
        self._writer.put(line(entry))

    def reopen(self) -> None:
        """Open the file anew, by its name: whoever rotates journals has renamed it."""
        self._writer.reopen()

    def close(self) -> None:
        """Write what is left; how much is lost is told in the log."""
        self._writer.close()
        if self.dropped:
            log.warn("the journal lost {count} facts", count=self.dropped)

    def _gap(self, count: int) -> str:
        missing = FactsDropped(count)
        self._tell(missing)
        return line(Entry(datetime.now(UTC), None, None, missing))

    def _troubled(self, trouble: Trouble, error: str | None) -> None:
        self._tell(JournalTroubled(trouble, error))


def _open(path: Path) -> int:
    """Open a file to append whole lines; of a pipe both ends, so that neither opening nor its reader's end matters."""
    with suppress(OSError):
        if stat.S_ISFIFO(path.stat().st_mode):
            return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        _end_line(path, fd)
    return fd


def _end_line(path: Path, fd: int) -> None:
    """End the line that a crash, or a disk that was full, has left torn; it must not spoil the next one."""
    with suppress(OSError), path.open("rb") as file:  # it may be ours to write and not to read, or still be full
        if file.seek(0, os.SEEK_END) and file.seek(-1, os.SEEK_END) >= 0 and file.read() != b"\n":
            os.write(fd, b"\n")
