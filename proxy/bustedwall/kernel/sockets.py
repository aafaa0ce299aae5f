"""The socket class of CPython's C module.

`socket.socket` is a subclass in Python; what it adds (enums for family and type, files, context
managers) costs about 5 us per connection, accept and close included, and the byte path needs none.
"""

from __future__ import annotations

import socket
from _socket import socket as Socket  # noqa: N812 (it is a class, whatever its name)
from typing import Any

STREAM = int(socket.SOCK_STREAM)
NONBLOCKING_STREAM = int(socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
TCP = int(socket.IPPROTO_TCP)


def take(listener: Socket, family: int) -> tuple[Socket, tuple[Any, ...]]:
    """Take one client; return its socket, non-blocking, and its address. Raises OSError as accept(2) does."""
    fd, address = listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001 (socket.accept calls it, too)
    sock = Socket(family, STREAM, TCP, fd)
    sock.settimeout(0)
    return sock, address


def outgoing(family: int) -> Socket:
    """Return a non-blocking socket that sends small writes at once. Raises OSError."""
    sock = Socket(family, NONBLOCKING_STREAM, TCP)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


__all__ = ["Socket", "outgoing", "take"]
