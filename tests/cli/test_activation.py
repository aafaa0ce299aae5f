"""Socket activation: a process that is started with its listening sockets, as systemd does it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.relay.peers import HANG, Upstream, dial, recv, send

ACTIVATE = 'exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web; exec "$@"'
"""What systemd does between fork and exec; the socket comes as stdin."""


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream(4)
    yield upstream
    upstream.sock.close()


@pytest.fixture
def door() -> Iterator[socket.socket]:
    """The socket of the unit; it outlives the service. Its port is a given one, as a unit's is: see relay/listener."""
    with socket.socket() as other, socket.socket() as sock:
        for each in (other, sock):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        sock.bind(other.getsockname())
        other.close()
        sock.listen(64)
        yield sock


@contextmanager
def activated(door: socket.socket, *words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "bustedwall", "run", "--quiet", "--drain", "0s", *words]
    child = subprocess.Popen(
        ["sh", "-c", ACTIVATE, "sh", *command],
        stdin=door.fileno(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def listening(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline()


def end(child: subprocess.Popen[str]) -> None:
    child.send_signal(signal.SIGTERM)
    assert child.wait(3 * HANG) == 0


def test_a_door_is_given_back_open_and_who_comes_while_it_restarts_waits(
    door: socket.socket, upstream: Upstream
) -> None:
    where = door.getsockname()
    with activated(
        door, "--listen", "fd:3", "--upstream", upstream.address, "--fault", "refuse", "--when", "applied"
    ) as child:
        assert listening(child) == f"listening proxy 127.0.0.1:{where[1]}\n"
        with pytest.raises(ConnectionRefusedError):
            dial(where)
        end(child)
    waiting = dial(where)
    assert send(waiting, b"patience") == "ok"
    with activated(door, "--listen", "fd:web", "--upstream", upstream.address) as child:
        assert listening(child)  # a start may take longer than a call
        server = upstream.accept()
        assert recv(server) == b"patience"
        assert send(server, b"is rewarded") == "ok"
        assert recv(waiting) == b"is rewarded"
        end(child)
