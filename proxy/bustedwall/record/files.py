"""Files that others read while we write them."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that no reader ever sees half of it. Raises OSError."""
    part = path.parent / f".{path.name}.{os.getpid()}"
    try:
        if not path.name:  # the root, or nothing at all
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error  # not of a name that nobody has given
