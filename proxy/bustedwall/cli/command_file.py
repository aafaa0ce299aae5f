"""A named pipe that takes commands, a line each: `echo panic > PATH`.

It is what a shell, a cron job or an init script can do without a client.
Who may write to it may command: it is made for its owner alone.

One run at a time takes commands from it: whoever has the lock on it (flock(2)). A run that drains lets the
lock go, and still obeys. Who comes then makes a pipe of its own in its place, or the two would share the lines.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

LONGEST = 4096
"""Bytes of a line; the kernel lets no other writer between those of one write that is no longer than this."""


@implementer(IReadDescriptor)
class CommandFile:
    """Reads the pipe and hands on each line. Raises OSError if there cannot be one."""

    def __init__(self, reactor: IReactorFDSet, path: Path, obey: Callable[[str], None]) -> None:
        self._reactor = reactor
        self._path = path
        self._obey = obey
        self._rest = b""
        """The beginning of a line whose end has not come yet."""
        self._ours = _make(path)
        another = not self._ours and _is_read(path)  # the run that drains; any other has the lock, too
        self._fd = _locked(path)
        if another:
            os.close(self._fd)
            self._fd, self._ours = _replaced(path), True
        reactor.addReader(self)

    def release(self) -> None:
        """Let another run have the place; until it comes, lines are still obeyed."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Read no more, and remove the pipe if it was not there before, nor is another run's by now."""
        self._reactor.removeReader(self)
        with suppress(OSError):  # it has been removed, or another run has it
            if self._ours and self._path.stat().st_ino == os.fstat(self._fd).st_ino:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._path.unlink()
        os.close(self._fd)

    # ---- IReadDescriptor

    def fileno(self) -> int:
        """Return the pipe's descriptor."""
        return self._fd

    def logPrefix(self) -> str:  # noqa: N802 (Twisted's name)
        """Name it in Twisted's log."""
        return "command file"

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802 (Twisted's name)
        """Do nothing: the pipe does not end while we have it open."""

    def doRead(self) -> None:  # noqa: N802 (Twisted's name)
        """Obey the lines that have come."""
        with suppress(BlockingIOError):
            *lines, self._rest = (self._rest + os.read(self._fd, LONGEST)).split(b"\n")
            if len(self._rest) > LONGEST:
                lines.append(self._rest)  # no command is so long; it is refused, and does not grow
                self._rest = b""
            for line in lines:
                self._obey(line.decode(errors="replace"))


def _make(path: Path) -> bool:
    """Make the pipe; False: there is one already."""
    try:
        os.mkfifo(path, 0o600)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise OSError(error.errno, error.strerror, str(path)) from error  # mkfifo does not say which
        if not stat.S_ISFIFO(path.stat().st_mode):
            raise OSError(error.errno, "there is something of this name, and it is no named pipe", str(path)) from error
        return False
    return True


def _locked(path: Path) -> int:
    """Open the pipe and lock it; raises OSError where another run has."""
    # Open for writing, too: or it would be at its end whenever the last writer has gone.
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise OSError(errno.EBUSY, "another run takes its commands from there", str(path)) from None
    return fd


def _is_read(path: Path) -> bool:
    """Tell whether anybody has the pipe open for reading."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return False
    return True


def _replaced(path: Path) -> int:
    """Put another pipe in the place of one, for the same writers; return it, open and locked."""
    part = path.parent / f".{path.name}.{os.getpid()}"
    os.mkfifo(part)
    try:
        part.chmod(stat.S_IMODE(path.stat().st_mode))
        fd = _locked(part)
        part.replace(path)
    except OSError:
        part.unlink()
        raise
    return fd
