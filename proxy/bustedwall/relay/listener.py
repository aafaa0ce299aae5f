"""A proxy's door: a listening socket."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

from bustedwall.kernel.endings import errno_name
from bustedwall.kernel.sockets import Socket, take
from bustedwall.policy.address import Address
from bustedwall.relay.poller import Poller
from bustedwall.terms.facts import AcceptPaused

_BACKLOG = 4096
_BATCH = 64
"""Accepts in a row before the sockets that are open have their turn."""

_REST = 0.1
"""Seconds for which a door is left alone when accept fails, mostly because no descriptor or memory is left."""

_NEXT = (errno.ECONNABORTED, errno.EINTR, errno.EPROTO, errno.EPERM)
"""Errors of one connection that came to nothing, accept(2); the next one may be fine."""

Accept = Callable[[Socket, tuple[str, int]], None]


def listen(address: Address) -> socket.socket:
    """Return a listening socket; raises OSError if the address cannot be had.

    TCP_NODELAY is inherited by what is accepted, which spares a call per connection.
    """
    family, _, _, _, where = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind(where)
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


class Listener:
    """Accepts clients while it is open."""

    def __init__(
        self, poller: Poller, sock: socket.socket, accept: Accept, record: Callable[[AcceptPaused], None]
    ) -> None:
        self.sock = sock
        self._family = int(sock.family)
        self._poller = poller
        self._accept = accept
        self._record = record
        self._open = True
        poller.open_door(sock.fileno(), self)

    @property
    def address(self) -> Address:
        """Where the door is, with the port that the kernel picked."""
        host, port = self.sock.getsockname()[:2]
        return Address(host, port)

    def close(self) -> None:
        """Accept nobody any more; clients in the backlog get a RST."""
        if self._open:
            self._poller.shut_door(self.sock.fileno())
        self.sock.close()

    # ---- Door

    def on_knock(self) -> None:
        """Accept a batch of clients."""
        for _ in range(_BATCH):
            try:
                sock, peer = take(self.sock, self._family)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _NEXT:
                    continue
                self._rest(errno_name(error.errno))
                return
            self._accept(sock, peer[:2])

    def on_failure(self) -> None:
        """Go on after an exception, which has been logged: the other clients are not to blame."""
        self._rest("a bug, see the log")

    def _rest(self, why: str) -> None:
        """Leave the clients in the backlog for a moment, or the loop would spin on them."""
        self._record(AcceptPaused(why))
        self._poller.shut_door(self.sock.fileno())
        self._open = False
        self._poller.reactor.callLater(_REST, self._come_back)

    def _come_back(self) -> None:
        if self.sock.fileno() >= 0:
            self._open = True
            self._poller.open_door(self.sock.fileno(), self)
