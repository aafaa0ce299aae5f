"""Files that others read while we write them."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

_STREAMS = (1, 2)
"""Our own stdout and stderr."""


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that no reader ever sees half of it. Raises OSError.

    A link stays one: what it leads to is written. What is there and is no file, such as a device or
    a pipe, stays what it is, too: it gets the bytes.
    """
    try:
        if not path.name:  # the root, or nothing at all
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        there = _found(path)
        if there is not None and (stream := _stream(there)) is not None:
            # A shell has sent it there, as of /dev/stdout: in another file its words would be lost.
            if sys.stdout is not None:
                sys.stdout.flush()
            _pour(os.dup(stream), data)
        elif there is None or stat.S_ISREG(there.st_mode):
            _replace(Path(os.path.realpath(path)), data)
        else:
            _pour(_opened(path), data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # not of a name that nobody has given


def check_place(path: Path) -> None:
    """Find out that a file cannot be written before it is to be. Raises OSError; nothing is written."""
    try:
        there = _found(path)
        if not path.name or (there is not None and stat.S_ISDIR(there.st_mode)):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if there is None or stat.S_ISREG(there.st_mode):
            part = _part(Path(os.path.realpath(path)))
            part.touch()
            part.unlink()
        elif not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _found(path: Path) -> os.stat_result | None:
    """Return what is there, behind all links; None: nothing yet."""
    with suppress(FileNotFoundError):
        return path.stat()
    return None


def _stream(there: os.stat_result) -> int | None:
    for number in _STREAMS:
        with suppress(OSError):  # it is shut
            if os.path.samestat(os.fstat(number), there):
                return number
    return None


def _replace(path: Path, data: bytes) -> None:
    part = _part(path)
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


def _part(path: Path) -> Path:
    return path.parent / f".{path.name}.{os.getpid()}"


def _opened(path: Path) -> int:
    """Open what is no file; a pipe that nobody reads is refused, for opening it would take until somebody does."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO and path.is_fifo():
            raise OSError(errno.ENXIO, "nobody reads from this pipe") from error
        raise
    os.set_blocking(fd, True)
    return fd


def _pour(fd: int, data: bytes) -> None:
    with open(fd, "wb", buffering=0) as file:
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]
