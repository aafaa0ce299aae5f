"""The socket class of CPython's C module.

`socket.socket` is a subclass in Python; what it adds (enums for family and type, files, context
managers) costs about 5 us per connection, accept and close included, and the byte path needs none.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from _socket import socket as Socket  # noqa: N812 (it is a class, whatever its name)
from typing import Any

STREAM = int(socket.SOCK_STREAM)
NONBLOCKING_STREAM = int(socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
TCP = int(socket.IPPROTO_TCP)

_SYN_SENT, _CLOSE = 2, 7  # tcpi_state, net/tcp_states.h

_UNCLAMPED = 0
"""As TCP_MAXSEG: what the path allows."""

_IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h; for IPv6 sockets as well

_U32 = struct.Struct("I")
_LAST_DATA_RECV, _SEGS_IN = 52, 140  # offsets in struct tcp_info, linux/tcp.h
_JIFFY = 0.01

_INT = struct.Struct("i")


def take(listener: Socket, family: int) -> tuple[Socket, tuple[Any, ...]]:
    """Take one client; return its socket, non-blocking, and its address. Raises OSError as accept(2) does."""
    fd, address = listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001 (socket.accept calls it, too)
    sock = Socket(family, STREAM, TCP, fd)
    sock.settimeout(0)
    return sock, address


def clamp(sock: Socket, mss: int | None) -> None:
    """Let the segments of connections to come be no longer than this, both ways; None: as the path allows.

    Of a listener it holds for what it accepts, of another socket if it is set before the connect: our SYN
    tells it to the peer. TCP's options are in it, 12 bytes with timestamps. A listener that is shut down
    forgets it (tcp_disconnect; measured). Raises OSError for what Linux refuses.
    """
    sock.setsockopt(TCP, socket.TCP_MAXSEG, mss or _UNCLAMPED)


def outgoing(family: int, source: tuple[Any, ...] | None = None, mss: int | None = None) -> Socket:
    """Return a non-blocking socket that sends small writes at once, bound to an address if one is given.

    Its port is picked by connect(2), which may use one port for each destination: bind(2) alone would
    take it away for all, and some 28,000 flows later there was none. Raises OSError.
    """
    sock = Socket(family, NONBLOCKING_STREAM, TCP)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if mss is not None:
            clamp(sock, mss)
        if source is not None:
            sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind(source)
    except OSError:
        sock.close()
        raise
    return sock


def connected(sock: Socket) -> int | None:
    """Tell how a connect went: None while it is under way, 0 once there is a connection, else the errno.

    ECONNRESET means that there was a connection, which has ended: a RST to the SYN is ECONNREFUSED.
    What it said can still be read; a second connect(2), the usual way to ask, would throw it away.
    """
    state = sock.getsockopt(TCP, socket.TCP_INFO, 1)[0]
    if state == _SYN_SENT:
        return None
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if state == _CLOSE else 0


def life(sock: Socket) -> tuple[float, int]:
    """Return for how many seconds no bytes have arrived, and how many segments have.

    The seconds are never too many: the kernel counts them in jiffies, of 10 ms at most. Segments are
    all of them, keepalives and bare ACKs too, which show nowhere else (measured).
    """
    info = sock.getsockopt(TCP, socket.TCP_INFO, _SEGS_IN + 4)
    quiet = _U32.unpack_from(info, _LAST_DATA_RECV)[0] / 1000 - _JIFFY
    return max(0.0, quiet), int(_U32.unpack_from(info, _SEGS_IN)[0])


def is_here(host: str) -> bool:
    """Tell whether an address is one of this machine: only then a socket can be bound to it.

    Raises OSError where no socket can be had.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((host, 0))
        except OSError:
            return False
    return True


def unread(sock: Socket) -> int:
    """Return how many bytes have arrived and were not read."""
    return int(_INT.unpack(fcntl.ioctl(sock, termios.FIONREAD, bytes(_INT.size)))[0])


def speaks_ipv4(sock: Socket, peer: str) -> bool:
    """Tell whether packets of a connection are IPv4, as those of an IPv6 socket may be."""
    return sock.family == socket.AF_INET or peer.startswith("::ffff:")


__all__ = ["Socket", "clamp", "connected", "is_here", "life", "outgoing", "speaks_ipv4", "take", "unread"]
