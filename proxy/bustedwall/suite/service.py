"""What a suite needs before anything is tried: started, waited for, and ended."""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from bustedwall.suite.filling import filled
from bustedwall.suite.model import Command, Service
from bustedwall.suite.program import CannotStartError, Program
from bustedwall.suite.remains import Remains

HOST = "127.0.0.1"

_LOOK = 0.05
"""Seconds between two looks whether it is ready."""

_LINES = 200
"""Of its output, the last are kept."""

_SAID = 1 << 16
"""Bytes of what a program says that runs to its end; the last ones."""


_GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")

_LEAST = 10_000
"""Below it servers have their own ports."""

_TRIES = 100
"""Ports that are tried, of those that the kernel does not give by itself."""

_RANDOM = random.SystemRandom()


class BrokenError(Exception):
    """The environment is not as it has to be: a sentence that tells how."""


def free_port() -> int:
    """Return a port that nobody has now.

    It is one that the kernel gives to nobody who does not ask for it: the service may take seconds to start, and
    whatever connects meanwhile gets one of the others. Where the kernel gives all, it is one of those.
    """
    ports = _not_given()
    for port in (*_RANDOM.sample(ports, min(len(ports), _TRIES)), 0):
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind((HOST, port))
            return int(one.getsockname()[1])
    raise BrokenError("no port is free")


def _not_given() -> list[int]:
    """Return the ports that the kernel does not give by itself, ip(7)."""
    try:
        first, last = map(int, _GIVEN.read_text().split())
    except (OSError, ValueError):
        return []
    return [*range(_LEAST, first), *range(last + 1, 1 << 16)]


class Running:
    """A service that runs."""

    def __init__(
        self, service: Service, known: Mapping[str, object], folder: Path, home: Path, remains: Remains
    ) -> None:
        """Start it, and wait until it is ready; raises BrokenError.

        `folder` is for it alone, `home` is where it runs.
        """
        self.service = service
        self.port = free_port()
        self._home = home
        self._remains = remains
        self._lines: deque[str] = deque(maxlen=_LINES)
        mine = {"port": self.port, "host": HOST, "address": f"{HOST}:{self.port}"}
        self._known = {**known, **mine, "folder": folder, "python": sys.executable}
        self._env = {name: filled(text, self._known) for name, text in service.env.items()}
        for command in service.prepare:
            self._prepare(command)
        try:
            self._program = Program([filled(word, self._known) for word in service.run], self._env, home, remains)
        except CannotStartError as error:
            raise BrokenError(f"service {service.name}: {error}") from error
        self._over = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self._wait()
        except BaseException:
            self.end()
            raise

    @property
    def names(self) -> dict[str, object]:
        """What the suite may say of it in braces."""
        return {f"{self.service.name}.{key}": self._known[key] for key in ("host", "port", "address")}

    def trouble(self) -> str | None:
        """Return what is wrong with it, None: it runs."""
        code = self._program.exit
        return None if code is None else f"service {self.service.name} has ended with {code}{self._last()}"

    def end(self) -> None:
        """End it."""
        self._over.set()
        self._reader.join()
        self._program.stop(len, signal.Signals[f"SIG{self.service.stop}"])  # nobody asks any more what it writes

    def _prepare(self, command: Command) -> None:
        name = f"service {self.service.name}: {command[0] if command[0] != 'sh' else command[-1]}"
        code = self._run(command, self.service.within)
        if code is None:
            raise BrokenError(f"{name}: it has not ended after {self.service.within:g} s")
        if code:
            raise BrokenError(f"{name}: it has ended with {code}{self._last()}")

    def _run(self, command: Command, within: float) -> int | None:
        """Run a program to its end; return its exit status, None: it had not ended in time."""
        try:
            program = Program([filled(word, self._known) for word in command], self._env, self._home, self._remains)
        except CannotStartError as error:
            raise BrokenError(f"service {self.service.name}: {error}") from error
        over, said = time.monotonic() + within, bytearray()

        def hear(piece: bytes) -> None:
            said.extend(piece)
            del said[:-_SAID]

        try:
            while program.exit is None and time.monotonic() < over:
                hear(program.read(_LOOK))
        except BaseException:
            program.stop(hear, grace=0.0)
            raise
        code = program.exit
        if code is None:
            program.stop(hear, grace=0.0)
        else:
            program.rest(hear)
        self._lines.extend(said.decode(errors="replace").splitlines())
        return code

    def _wait(self) -> None:
        over = time.monotonic() + self.service.within
        while not self._ready(over - time.monotonic()):
            if trouble := self.trouble():
                raise BrokenError(trouble)
            if time.monotonic() > over:
                raise BrokenError(
                    f"service {self.service.name} is not ready after {self.service.within:g} s{self._last()}"
                )
            time.sleep(_LOOK)

    def _ready(self, left: float) -> bool:
        if self.service.ready is None:
            with socket.socket() as one:
                return one.connect_ex((HOST, self.port)) == 0
        return self._run(self.service.ready, max(left, _LOOK)) == 0

    def _read(self) -> None:
        part = ""
        while not self._over.is_set():
            *lines, part = (part + self._program.read(_LOOK).decode(errors="replace")).split("\n")
            self._lines.extend(lines)

    def _last(self) -> str:
        line = next((line.strip() for line in reversed(self._lines) if line.strip()), "")
        return f": {line[:300]}" if line else ""
