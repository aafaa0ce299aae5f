"""Pairs of loopback sockets: ours, as the relay has it, and its peer."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

Pair = tuple[socket.socket, socket.socket]

KINDS = ("IPv4", "IPv6", "mapped")
"""`mapped` is an IPv4 client at a listener on [::]."""


def door(kind: str) -> socket.socket:
    """Return a listener that takes what it can get."""
    family, host = {"IPv4": (socket.AF_INET, "127.0.0.1"), "IPv6": (socket.AF_INET6, "::1")}.get(
        kind, (socket.AF_INET6, "::")
    )
    return socket.create_server((host, 0), family=family, dualstack_ipv6=kind == "mapped")


def target(listener: socket.socket, kind: str) -> tuple[str, int]:
    """Return where a client of this kind connects."""
    return {"IPv6": "::1"}.get(kind, "127.0.0.1"), listener.getsockname()[1]


@contextmanager
def connected_pair(kind: str) -> Iterator[Pair]:
    """Open a connection: our end, which was accepted, and the peer's."""
    with door(kind) as listener:
        peer = socket.create_connection(target(listener, kind), timeout=10)
        ours, _ = listener.accept()
    ours.settimeout(10)
    for sock in (ours, peer):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with ours, peer:
        yield ours, peer


def hears(sock: socket.socket, seconds: float = 0.15) -> bool:
    """Tell whether something arrives: bytes or an end."""
    return bool(select.select([sock], [], [], seconds)[0])
