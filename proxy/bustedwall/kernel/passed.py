"""Sockets that whoever started us has opened and passed on, as systemd does: sd_listen_fds(3)."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping, MutableMapping
from typing import Self

_FIRST = 3
"""SD_LISTEN_FDS_START: the descriptors follow stdin, stdout and stderr."""

_DIGITS = 9
"""No process has more descriptors than that can count; a longer number is none."""

_UNNAMED = "unknown"
"""What systemd calls a descriptor without a name."""


class PassedSockets:
    """Listening sockets by name, and by number; they are kept open, and what is opened are duplicates."""

    def __init__(self, descriptors: Mapping[str, list[int]]) -> None:
        self._descriptors = dict(descriptors)

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> Self:
        """Take what is meant for this process, and the variables that say so: no child may think they are its own."""
        pid, count, names = (environ.pop(key, "") for key in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
        if pid != str(os.getpid()) or not count.isdecimal() or len(count) > _DIGITS:
            return cls({})
        named = names.split(":") if names else []
        found: dict[str, list[int]] = {}
        for index in range(int(count)):
            fd = _FIRST + index
            try:
                os.set_inheritable(fd, False)  # noqa: FBT003 (its only name is the position)
            except OSError:  # more were announced than were passed
                break
            found.setdefault(named[index] if index < len(named) else _UNNAMED, []).append(fd)
            found[str(fd)] = [fd]
        return cls(found)

    def open(self, name: str) -> socket.socket:
        """Return a socket that accepts what comes to one of them. Raises OSError with a reason for users."""
        fds = self._descriptors.get(name, [])
        if not fds:
            known = ", ".join(self._descriptors) or "none was passed"
            raise OSError(errno.ENOENT, f"no socket of this name was passed on to us (there are: {known})")
        if len(fds) > 1:
            numbers = ", ".join(f"fd:{fd}" for fd in fds)
            raise OSError(errno.EINVAL, f"several sockets have this name; they are {numbers}")
        sock = socket.socket(fileno=os.dup(fds[0]))
        if not _listens_to_tcp(sock):
            sock.close()
            raise OSError(errno.EINVAL, "this is not a TCP socket that listens")
        sock.setblocking(False)  # noqa: FBT003 (its only argument)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by what is accepted
        return sock

    def close(self) -> None:
        """Give them back: nobody listens there any more, unless who passed them does."""
        for fd in {fd for fds in self._descriptors.values() for fd in fds}:
            os.close(fd)
        self._descriptors = {}


def _listens_to_tcp(sock: socket.socket) -> bool:
    inet = sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM
    return inet and bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
