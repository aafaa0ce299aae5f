"""One proxy whose door a test changes when it likes, and the ways to knock at it."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.relay.peers import FAMILY, HANG, LOCALHOST, Upstream, at, dial, hang_up, recv, send, until
from tests.relay.rig import Door, Fact, Talk, Wall

PROGRAM = Path(__file__).with_name("signalled.py")


@dataclass
class House:
    """A running proxy called `door`, its upstream, and its own facts."""

    wall: Wall
    upstream: Upstream
    version: int

    @property
    def address(self) -> tuple[str, int]:
        """Where clients connect; over IPv4 also where the door is that of all addresses."""
        return LOCALHOST[self.version], self.wall.addresses["door"][1]

    def set(self, mode: str, count: int = 1) -> Fact:
        """Return the fact that the door is so, the last of so many, as soon as it is recorded."""

        def found() -> list[Fact]:
            doors = [f for f in self.wall.facts() if f["fact"] == "door-set" and f["mode"] == mode]
            return doors if len(doors) >= count else []

        fact = until(found, f"the door is {mode}, {count} times")[count - 1]
        assert fact["error"] is None
        return fact

    def one(self) -> None:
        """Fire the signal `one`."""
        self.wall.signal(signal.SIGUSR1)

    def two(self) -> None:
        """Fire the signal `two`."""
        self.wall.signal(signal.SIGUSR2)

    def change(self) -> None:
        """Take the rules about the door away, or give them back."""
        self.wall.signal(signal.SIGHUP)

    def connect(self) -> Talk:
        """Connect a client and accept what the proxy dials for it."""
        talk = self.dial()
        talk.server = self.upstream.accept()
        return talk

    def dial(self) -> Talk:
        """Connect a client."""
        return Talk(self.wall, "door", dial(self.address), None)

    def is_deaf_to_clients(self, limit: float) -> None:
        """Require that connecting waits, and that nothing but its own limit ends it."""
        sock, at_once = self.knock_at_once(limit)
        with sock:
            assert at_once == "EINPROGRESS"
            error, took = self.knock(limit)
            assert (error, took >= limit) == ("ETIMEDOUT", True)
            assert connected(sock) == "ETIMEDOUT"
        assert not self.asked()

    def knock(self, limit: float | None = None) -> tuple[str, float]:
        """Connect, blocking; return what connect gave, and the seconds that it took."""
        with socket.socket(FAMILY[self.version]) as sock:
            if limit is not None:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(limit * 1000))
            began = time.monotonic()
            try:
                sock.connect(self.address)
            except OSError as error:
                return errno.errorcode[error.errno or 0], time.monotonic() - began
            return "ok", time.monotonic() - began

    def knock_at_once(self, limit: float | None = None) -> tuple[socket.socket, str]:
        """Connect without blocking; return the socket and what connect gave."""
        sock = socket.socket(FAMILY[self.version])
        sock.setblocking(False)  # noqa: FBT003 (its only argument)
        if limit is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(limit * 1000))
        return sock, errno.errorcode.get(sock.connect_ex(self.address), "ok")

    def asked(self) -> bool:
        """Tell whether somebody waits at the upstream."""
        return bool(select.select([self.upstream.sock], [], [], 0.1)[0])

    def serves(self) -> None:
        """Have a new client talk with the server, and leave; clients before it may still wait there, and be gone."""
        talk = self.dial()
        assert send(talk.client, b"are you there?") == "ok"
        talk.server = self.upstream.accept()
        while (said := recv(talk.server)) in ("EOF", "ECONNRESET"):
            talk.server = self.upstream.accept()
        assert said == b"are you there?"
        assert send(talk.server, b"I am") == "ok"
        assert recv(talk.client) == b"I am"
        talk.client.close()
        assert recv(talk.server) == "EOF"
        talk.server.close()


def connected(sock: socket.socket) -> str:
    """Wait for a connect that is under way; return how it went, as SO_ERROR says."""
    poll = select.poll()
    poll.register(sock, select.POLLOUT | select.POLLERR)
    assert poll.poll(HANG * 1000), "the connect never ends"
    return errno.errorcode.get(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), "ok")


SO_GET_FILTER = 26
_PIDFD_GETFD = 438
"""The system call of every architecture, since Linux 5.6."""


def filtered(pid: int) -> int:
    """Return how many sockets of a process have a filter; root only, it looks at them through copies."""
    call = ctypes.CDLL(None, use_errno=True).syscall
    pidfd, found = os.pidfd_open(pid), 0
    try:
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if not str(fd.readlink()).startswith("socket:"):
                    continue
            except FileNotFoundError:
                continue  # closed meanwhile
            copy = call(_PIDFD_GETFD, pidfd, int(fd.name), 0)
            if copy < 0:
                assert ctypes.get_errno() == errno.EBADF, "it may have been closed meanwhile, and nothing else"
                continue
            with socket.socket(fileno=copy) as sock:
                found += has_filter(sock)
    finally:
        os.close(pidfd)
    return found


def has_filter(sock: socket.socket) -> bool:
    """Ask for a filter of at most one instruction: EINVAL says that there is a longer one (sk_get_filter)."""
    try:
        sock.getsockopt(socket.SOL_SOCKET, SO_GET_FILTER, 1)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return True
    return False


@contextmanager
def house(folder: Path, version: int, policies: Sequence[object], *, listen: str | None = None) -> Iterator[House]:
    """Run a proxy with these policies."""
    upstream = Upstream(version)
    door = Door("door", upstream.address, policies, listen or at(LOCALHOST[version], 0))
    wall = Wall(folder, [door], program=[sys.executable, str(PROGRAM), str(folder / "config.yaml")])
    try:
        yield House(wall, upstream, version)
    finally:
        hang_up()
        upstream.sock.close()
        assert wall.stop() == 0
