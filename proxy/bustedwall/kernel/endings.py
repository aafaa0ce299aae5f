"""How a socket can be ended, and how far its bytes have come before it is."""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
import sys
import termios

from bustedwall.kernel.sockets import Socket

SIOCOUTQNSD = 0x894B
"""ioctl: bytes in the send queue that have not been sent even once (linux/sockios.h)."""

_LINGER_ZERO = struct.pack("ii", 1, 0)
_INT = struct.Struct("i")


def reset(sock: Socket) -> None:
    """Close with a RST|ACK; what is unsent or unread is lost (SO_LINGER 0, RFC 9293 ABORT).

    If the peer has ended the connection already there is nothing to send, and nothing is raised.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    sock.close()


def unsent(sock: Socket) -> int:
    """Return how many bytes our kernel has accepted and not yet sent for the first time."""
    return int(_INT.unpack(fcntl.ioctl(sock, SIOCOUTQNSD, bytes(_INT.size)))[0])


def unread(sock: Socket) -> int:
    """Return how many bytes have arrived and were not read."""
    return int(_INT.unpack(fcntl.ioctl(sock, termios.FIONREAD, bytes(_INT.size)))[0])


def shut(sock: Socket) -> None:
    """Send a FIN behind what is queued; a connection that is gone already is left at that."""
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise


def pending_error(sock: Socket) -> int:
    """Return and clear the errno that the kernel keeps for the next call; 0 is none."""
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def errno_name(number: int | None) -> str:
    """Return the name of an errno, such as ECONNRESET."""
    return errno.errorcode.get(number or 0, str(number))


assert sys.platform == "linux", "bustedwall needs Linux; elsewhere run it in a Linux container"
