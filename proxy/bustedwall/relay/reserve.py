"""A descriptor kept in reserve, so that whoever is accepted can be dialled for.

A client that is accepted needs a second descriptor a moment later. Were there none, it would get a
RST, where in the backlog it would have waited. So nobody is accepted while the reserve is not held,
and who finds no descriptor to dial with takes the reserve.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from bustedwall.kernel.sockets import Socket

_EXHAUSTED = (errno.EMFILE, errno.ENFILE)


class Reserve:
    """The reserve of one process; raises OSError if there is no descriptor for it."""

    def __init__(self) -> None:
        self._fd: int | None = None
        self.hold()

    def hold(self) -> None:
        """Have the reserve from now on, if it is not held; raises OSError where no descriptor is left."""
        if self._fd is None:
            self._fd = os.eventfd(0, os.EFD_CLOEXEC)

    def spend(self) -> None:
        """Let go of it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def open(self, make: Callable[[], Socket]) -> Socket:
        """Return a socket, for which the reserve is spent if there is no other descriptor; raises OSError."""
        try:
            return make()
        except OSError as error:
            if error.errno not in _EXHAUSTED or self._fd is None:
                raise
            self.spend()
            return make()
