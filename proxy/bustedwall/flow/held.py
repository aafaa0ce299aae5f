"""How much all flows together hold, and how much they may.

What counts is what fills memory: what stages hold, what waits at a gate, what a receiver's kernel does
not take. Nothing is ever dropped for it: where there is too much the sources are not read, their
windows close, and their senders wait.
"""

from __future__ import annotations

CHUNK = 1 << 18
"""Bytes per read; measured on loopback, 256 KiB moved 3.9 GB/s, 64 KiB 3.4 and 16 KiB 1.5."""

LEAN = 1 << 12
"""What each direction may hold however much all hold together, so that none starves; and bytes per read then."""


class Held:
    """The account of one process; flows and sockets are handed it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """Bytes from which on sources are pressed."""
        self.total = 0
        self.full = False
        """The limit was reached, and it is not yet a quarter below it."""
        self.chunk = CHUNK
        """Bytes that one read may take now."""

    def change(self, by: int) -> None:
        """Hold so many bytes more, or fewer."""
        self.total += by
        assert self.total >= 0, "more was let go than was held"
        if not self.full:
            if self.total >= self.limit:
                self.full, self.chunk = True, LEAN
                self.filled()
        elif self.total <= self.limit - self.limit // 4:
            self.full, self.chunk = False, CHUNK
            self.eased()

    def filled(self) -> None:
        """Take note that sources are pressed from now on."""

    def eased(self) -> None:
        """Take note that they are not any more."""
