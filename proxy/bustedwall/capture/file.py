"""A flow's capture on the disk: whole packets, whatever the disk says."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from pathlib import Path

from bustedwall.capture.pcap import header

_MODE = 0o600
"""What is captured is nobody else's business."""

_MOST_NAMES = 1000


class CaptureFile:
    """One file. It is open only while it is written, so there is no limit to how many there are."""

    __slots__ = ("path", "size")

    def __init__(self, folder: Path, name: str, snaplen: int) -> None:
        """Make it, under a name that no file has: NAME.pcap, or NAME.2.pcap. Raises OSError."""
        for number in count(1):
            self.path = folder / (f"{name}.pcap" if number == 1 else f"{name}.{number}.pcap")
            try:
                fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
                break
            except FileExistsError:
                if number == _MOST_NAMES:
                    raise
        self.size = 0
        """Bytes in it."""
        try:
            self._write(fd, header(snaplen))
        except OSError:
            with suppress(OSError):
                self.path.unlink()
            raise

    def append(self, data: bytes) -> None:
        """Write packets, all of them or none; raises OSError."""
        self._write(os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC), data)

    def _write(self, fd: int, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(fd, rest) :]
            self.size += len(data)
        except OSError:
            os.ftruncate(fd, self.size)  # a packet that is torn would spoil what comes behind it
            raise
        finally:
            os.close(fd)
