"""The file that tells a script that all is up: it is there for as long as that is so, and no longer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from bustedwall.record.files import write_whole


class ReadyFile:
    """A file of one run; None: it has none."""

    def __init__(self, path: Path | None) -> None:
        """Remove what an earlier run has left, which was killed or has not ended yet. Raises OSError."""
        self._path = path
        self._ours = b""
        if path is not None and path.is_file():  # not what was put there to be written to, such as a pipe
            path.resolve().unlink(missing_ok=True)

    def write(self, told: Mapping[str, object]) -> None:
        """Say that all is up, and where; raises OSError."""
        if self._path is not None:
            self._ours = f"{json.dumps(told)}\n".encode()
            write_whole(self._path, self._ours)

    def remove(self) -> None:
        """Say that it is so no more, unless another run has written there meanwhile."""
        with suppress(OSError):  # somebody has removed it, or may keep us from it: we end all the same
            if self._ours and self._path is not None and self._path.is_file() and self._path.read_bytes() == self._ours:
                self._path.resolve().unlink()
