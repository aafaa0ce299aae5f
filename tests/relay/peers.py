"""Real peers: plain blocking sockets with a timeout, and what each call of theirs gave.

A call that would hang says `nothing`, so that its test fails in seconds.
"""

from __future__ import annotations

import errno
import fcntl
import select
import socket
import struct
import sys
import termios
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

HANG = 10.0
"""Seconds after which something that has not happened will not happen."""

LOCALHOST = {4: "127.0.0.1", 6: "::1"}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
VERSIONS = (4, 6)

MIN_TTL = {4: (socket.IPPROTO_IP, 21), 6: (socket.IPPROTO_IPV6, 73)}
"""IP_MINTTL and IPV6_MINHOPCOUNT: at 255 the kernel discards all that arrives for a socket."""

_opened: list[socket.socket] = []
"""The ends of all flows of a test; they end with it."""


def hang_up() -> None:
    """End what a test has left open."""
    for sock in _opened:
        if sock.fileno() >= 0:
            abort(sock)
    _opened.clear()


def at(host: str, port: int) -> str:
    """Write an address as users do."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# ---- what one call gave


def recv(sock: socket.socket, most: int = 65536) -> bytes | str:
    """Call recv: the bytes, `EOF`, the errno's name, or `nothing` when it waited in vain."""
    try:
        return sock.recv(most) or "EOF"
    except TimeoutError as error:
        return "nothing" if error.errno is None else errno.errorcode[error.errno]
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def send(sock: socket.socket, data: bytes) -> str:
    """Call send until all is taken: `ok`, the errno's name, or `nothing` when it waited in vain."""
    try:
        sock.sendall(data)
    except TimeoutError as error:
        return "nothing" if error.errno is None else errno.errorcode[error.errno]
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "ok"


def read_all(sock: socket.socket, chunk: int = 1 << 18) -> tuple[bytes, str]:
    """Read to the end: all bytes, and how they ended."""
    got = bytearray()
    while isinstance(data := recv(sock, chunk), bytes):
        got += data
    return bytes(got), data


def read_exactly(sock: socket.socket, count: int) -> bytes:
    """Read so many bytes."""
    got = bytearray()
    while len(got) < count:
        data = recv(sock, count - len(got))
        assert isinstance(data, bytes), f"{data} after {len(got)} of {count} bytes"
        got += data
    return bytes(got)


def abort(sock: socket.socket) -> None:
    """Close with a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def until(condition: Callable[[], Found], what: str, within: float = HANG) -> Found:
    """Return what the condition gives as soon as that is true."""
    deadline = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < deadline, f"still not so after {within} s: {what}"
        time.sleep(0.002)
    return found


def acknowledged(sock: socket.socket) -> None:
    """Wait until the other end's kernel has all that was sent."""
    out = bytes(4)
    until(lambda: fcntl.ioctl(sock, termios.TIOCOUTQ, out) == out, "all bytes acknowledged")


def fill(sock: socket.socket) -> int:
    """Send until nothing more is taken for a while; return how much was."""
    sent = 0
    sock.settimeout(0.3)
    try:
        while True:
            sent += sock.send(bytes(1 << 20))
    except TimeoutError:
        return sent
    finally:
        sock.settimeout(HANG)


def hung_up(sock: socket.socket, within: float = HANG) -> bool:
    """Tell whether a RST arrives, without a call that could eat the error."""
    poll = select.poll()
    poll.register(sock, select.POLLERR)
    return bool(poll.poll(within * 1000))


def connect(sock: socket.socket, address: tuple[str, int]) -> str:
    """Call connect: `ok`, the errno's name, or `nothing` when it waited in vain.

    As a caller does that has its turn before anything comes behind the handshake. A connect that waits, blocking or
    with a timeout, may wake late, find the RST that followed, and give its error; no call is left then to meet it.
    """
    sock.setblocking(False)  # noqa: FBT003 (its only argument)
    error = sock.connect_ex(address)
    if error == errno.EINPROGRESS:
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        if not poll.poll(HANG * 1000):
            return "nothing"
        # The error that waits on a socket that is connected belongs to the next call.
        error = 0 if _shook_hands(sock) else sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    sock.settimeout(HANG)
    return errno.errorcode[error] if error else "ok"


_BYTES_ACKED = 120
"""Where struct tcp_info, linux/tcp.h, has tcpi_bytes_acked: 1 with our SYN (RFC 4898), and it stays there."""


def _shook_hands(sock: socket.socket) -> bool:
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED + 8)
    return int.from_bytes(info[_BYTES_ACKED:], sys.byteorder) > 0


def dial(address: tuple[str, int], *, buffer: int | None = None) -> socket.socket:
    """Connect, whatever comes behind the handshake; raises OSError if there was none."""
    sock = socket.socket(FAMILY[6 if ":" in address[0] else 4])
    _opened.append(sock)
    if buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    if (given := connect(sock, address)) != "ok":
        raise OSError(getattr(errno, given, errno.ETIMEDOUT), f"connect to {address}")
    return sock


# ---- the upstream


class Upstream:
    """A listening socket; a test accepts on it what the proxy has dialled."""

    def __init__(self, version: int, *, buffer: int | None = None) -> None:
        self.sock = socket.socket(FAMILY[version])
        if buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.sock.bind((LOCALHOST[version], 0))
        self.sock.listen(512)
        self.sock.settimeout(HANG)
        self.address = at(*self.sock.getsockname()[:2])

    def accept(self) -> socket.socket:
        """Take the connection that the proxy has opened."""
        sock, _ = self.sock.accept()
        _opened.append(sock)
        sock.settimeout(HANG)
        return sock

    def forget(self) -> None:
        """Close what nobody has accepted."""
        self.sock.settimeout(0)
        try:
            while True:
                self.sock.accept()[0].close()
        except BlockingIOError:
            self.sock.settimeout(HANG)
