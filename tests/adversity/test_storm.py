"""Thousands of clients at once: all of them are served, those that were there before too, and nothing stays behind."""

from __future__ import annotations

import resource
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.adversity.at_rest import assert_no_busy_loop
from tests.relay.peers import HANG, abort, dial, read_exactly, recv, send, until
from tests.relay.rig import Door, Wall

CLIENTS = 5000

LIMIT = 90.0
"""Seconds for all of them: a SYN that finds the backlog full is repeated after 1, 3, 7 and 15."""


class Echo(threading.Thread):
    """A server that says again what it hears."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._over, self._end = socket.socketpair()
        self.address = "{}:{}".format(*self._listener.getsockname())

    def run(self) -> None:
        with selectors.EpollSelector() as poll:
            for sock in (self._listener, self._over):
                sock.settimeout(0)
                poll.register(sock, selectors.EVENT_READ)
            while True:
                for key, _ in poll.select():
                    sock = key.fileobj
                    assert isinstance(sock, socket.socket)
                    if sock is self._over:
                        for left in list(poll.get_map().values()):
                            left.fileobj.close()  # type: ignore[union-attr]  # all of them are sockets
                        return
                    if sock is self._listener:
                        peer, _ = sock.accept()
                        poll.register(peer, selectors.EVENT_READ)
                    elif isinstance(said := recv(sock), bytes):
                        assert send(sock, said) == "ok"
                    else:
                        poll.unregister(sock)
                        sock.close()

    def end(self) -> None:
        """Close all that there is."""
        self._end.close()
        self.join(HANG)


@contextmanager
def many_descriptors() -> Iterator[int]:
    """Have as many as may be had; yield how many clients they are for: each has a server, and the proxy two."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield min(CLIENTS, (before[1] - 500) // 2)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.long("half a minute")
@pytest.mark.timeout(240)
def test_thousands_of_clients_at_once_are_all_served(tmp_path: Path) -> None:
    with many_descriptors() as count:
        echo = Echo()
        echo.start()
        wall = Wall(tmp_path, [Door("door", echo.address)], "--quiet")
        old = dial(wall.addresses["door"])
        assert send(old, b"old") == "ok"
        assert read_exactly(old, 3) == b"old"
        descriptors = wall.descriptors()

        clients = [socket.socket() for _ in range(count)]
        for client in clients:
            client.settimeout(0)
            client.connect_ex(wall.addresses["door"])
        deadline = time.monotonic() + LIMIT
        for number, client in enumerate(clients):
            client.settimeout(max(1.0, deadline - time.monotonic()))
            assert send(client, b"%8d" % number) == "ok"
        assert send(old, b"and I?") == "ok"
        assert read_exactly(old, 6) == b"and I?"
        for number, client in enumerate(clients):
            assert read_exactly(client, 8) == b"%8d" % number
        for number, client in enumerate(clients):
            (abort if number % 2 else socket.socket.close)(client)

        def closed() -> bool:
            return sum(fact["fact"] == "flow-closed" for fact in wall.facts()) == count

        until(closed, "all flows are closed", LIMIT)
        assert send(old, b"still here") == "ok"
        assert read_exactly(old, 10) == b"still here"
        until(lambda: wall.descriptors() == descriptors, "as many descriptors as before")
        assert_no_busy_loop(wall.pid)
        old.close()
        assert wall.stop() == 0
        echo.end()
        troubles = ("accept-paused", "address-failed", "limit-reached", "flow-failed")
        assert not [fact for fact in wall.facts() if fact["fact"] in troubles]
