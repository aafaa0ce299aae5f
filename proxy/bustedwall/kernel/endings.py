"""How a socket can be ended, and how far its bytes have come before it is."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import socket
import struct
import sys

from bustedwall.kernel.loss import lose_outgoing
from bustedwall.kernel.sockets import Socket

SIOCOUTQNSD = 0x894B
"""ioctl: bytes in the send queue that have not been sent even once (linux/sockios.h)."""

_LINGER_ZERO = struct.pack("ii", 1, 0)
_ESTABLISHED = 1  # net/tcp_states.h
_RCV_WND = 232  # offset in struct tcp_info, linux/tcp.h
_INT = struct.Struct("i")

_rubbish = bytearray(1 << 18)


def reset(sock: Socket, ttl: int | None = None) -> None:
    """Close with a RST|ACK; what is unsent or unread is lost (SO_LINGER 0, RFC 9293 ABORT).

    If the peer has ended the connection already there is nothing to send, and nothing is raised.
    `ttl`: the RST's own, or its hop limit; both are set where the socket has both versions of IP.
    """
    if ttl is not None:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    sock.close()


def close(sock: Socket) -> int:
    """Close with a FIN behind what is queued; return how many unread bytes were thrown away for it.

    close() alone sends a RST if anything is unread (RFC 2525 §2.17). After shutdown nothing more is
    queued for reading: what still comes meets a RST, as it does after close() (tcp_rcv_state_process).
    So what is there can be read to its end, and nothing slips in before close(). But nothing opens the
    window then, either: a peer whose window is closed would learn nothing until our kernel forgets
    the connection, a minute later (tcp_cleanup_rbuf; measured). It gets the RST at once.
    """
    thrown_away = 0
    with contextlib.suppress(OSError):  # the connection is gone already; what it said can still be there
        sock.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):  # its RST, which comes behind the bytes
        while count := sock.recv_into(_rubbish):
            thrown_away += count
    if thrown_away and _shuts_out(sock) and not unsent(sock):
        reset(sock)
    else:
        sock.close()
    return thrown_away


def _shuts_out(sock: Socket) -> bool:
    """Tell whether the window that was announced last is 0 (tcpi_rcv_wnd; kernels before 6.2 do not say)."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RCV_WND + 4)
    return len(info) == _RCV_WND + 4 and not any(info[_RCV_WND:])


def vanish(sock: Socket) -> None:
    """Close without a segment that arrives: the peer's next one meets a bare RST, as after a reboot.

    The RST of the closing carries what makes the next IP stack discard it (see `kernel.loss`). Raises
    OSError if the kernel refuses that; the socket is closed in any case, by a RST then.
    """
    try:
        lose_outgoing(sock, lost=True)
    except OSError as error:
        if error.errno != errno.ENOTCONN:  # gone already: there is nobody to hear a RST
            raise
    finally:
        reset(sock)


def unsent(sock: Socket) -> int:
    """Return how many bytes our kernel has accepted and not yet sent for the first time."""
    return int(_INT.unpack(fcntl.ioctl(sock, SIOCOUTQNSD, bytes(_INT.size)))[0])


def alive(sock: Socket) -> bool:
    """Tell whether the peer has neither finished nor reset the connection (tcpi_state is ESTABLISHED)."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED


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
