"""What systemd is told of the service, as sd_notify(3) has it: lines of KEY=VALUE to a datagram socket."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

from twisted.internet.interfaces import IReactorTime

_MICRO = 1_000_000


class Notifier:
    """Tells whoever waits for it at $NOTIFY_SOCKET; where nobody does, nothing happens.

    Never waits, and never fails: a service manager that has gone is none of the flows' affair.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        where = environ.get("NOTIFY_SOCKET", "")
        self._where = f"\0{where[1:]}" if where.startswith("@") else where
        """An address that begins with @ is in the abstract namespace, unix(7)."""
        for_us = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        asked = environ.get("WATCHDOG_USEC", "") if for_us else ""
        self._every = int(asked) / _MICRO / 2 if asked.isdecimal() else 0.0
        """Seconds between two signs of life; half of what systemd waits for, as it advises. 0: it does not wait."""

    def ready(self, status: str) -> None:
        """Say that all is up, or up again."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Say that the config is being read again; `ready` follows."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str, seconds: float) -> None:
        """Say that the end has begun, and may take so long."""
        self._tell("STOPPING=1", f"STATUS={status}", f"EXTEND_TIMEOUT_USEC={int((seconds + 5) * _MICRO)}")

    def watch(self, reactor: IReactorTime) -> None:
        """Give a sign of life now and again, from the reactor: one that does not turn gives none."""
        if self._every:
            self._tell("WATCHDOG=1")
            reactor.callLater(self._every, self.watch, reactor)

    def _tell(self, *lines: str) -> None:
        if not self._where:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            sock.sendto("\n".join(line.replace("\n", " ") for line in lines).encode(), self._where)
