"""The two programs of the demo: plain blocking sockets that make one call after the other."""

from __future__ import annotations

import errno
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence

from bustedwall.policy.address import Address

PATIENCE = 8.0
"""Seconds that a call may wait before the act has failed."""

_LOOK = 0.002
_POLLED = ("IN", "OUT", "ERR", "HUP", "RDHUP")
_TOTAL_RETRANS = struct.Struct("=100xI")
"""Where `tcpi_total_retrans` is in struct tcp_info (linux/tcp.h)."""


class Program:
    """Makes calls, and notes what each returned, up to the first that returned something else."""

    def __init__(self, says: bytes, struck: Callable[[str], bool]) -> None:
        """`says` is what it sends; `struck` tells whether a rule of the policy has."""
        self.seen: list[str] = []
        self._says = says
        self._struck = struck

    def play(self, sock: socket.socket, expected: Sequence[str]) -> None:
        """Make the calls that are expected."""
        sock.settimeout(PATIENCE)
        for words in expected:
            call, _, result = words.partition(": ")
            self.seen.append(f"{call}: {self._call(sock, call, result)}")
            if self.seen[-1] != words:
                return

    def _call(self, sock: socket.socket, call: str, expected: str) -> str:
        match call:
            case "send":
                return _outcome(lambda: sock.sendall(self._says))
            case "recv":
                return _recv(sock, int(expected.split(maxsplit=1)[0]) if expected.endswith(" B") else 1)
            case "poll":
                return _until(lambda: _events(sock), expected)
            case "rule":
                return _until(lambda: expected if self._struck(expected) else "nothing", expected)
        raise AssertionError(call)


class Server(Program):
    """Accepts one connection and plays its part, in a thread of its own."""

    def __init__(self, says: bytes, struck: Callable[[str], bool], expected: Sequence[str]) -> None:
        super().__init__(says, struck)
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.address = Address(*self._sock.getsockname()[:2])
        self._played, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(expected,), daemon=True)
        self._thread.start()

    def _serve(self, expected: Sequence[str]) -> None:
        with self._sock, self._sock.accept()[0] as sock:
            self.play(sock, expected)
            self._played.set()
            self._end.wait()

    def wait(self) -> None:
        """Let it make its calls."""
        self._played.wait(PATIENCE)

    def finish(self) -> None:
        """Have it close its connection, and go."""
        self._end.set()


def sent_again(sock: socket.socket) -> int:
    """Return how many segments a socket's kernel has sent again."""
    found: int
    (found,) = _TOTAL_RETRANS.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TOTAL_RETRANS.size))
    return found


def _outcome(call: Callable[[], object]) -> str:
    try:
        call()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "ok"


def _recv(sock: socket.socket, wanted: int) -> str:
    """Call recv until the bytes are there; report them, or else what the last call gave."""
    got = 0
    while got < wanted:
        try:
            data = sock.recv(wanted - got)
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, str(error))
        if not data:
            return "EOF" if not got else f"{got} B, EOF"
        got += len(data)
    return f"{got} B"


def _events(sock: socket.socket) -> str:
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLOUT | select.POLLRDHUP)
    found = sum(events for _, events in poll.poll(0))
    return " ".join(name for name in _POLLED if found & getattr(select, f"POLL{name}"))


def _until(ask: Callable[[], str], expected: str) -> str:
    deadline = time.monotonic() + PATIENCE
    while (found := ask()) != expected and time.monotonic() < deadline:
        time.sleep(_LOOK)
    return found
