"""Socket activation: a process that is started with its listening sockets, as systemd does it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    """The socket of the unit; it outlives the service."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as sock:
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
    assert child.wait(HANG) == 0


def test_who_comes_while_it_restarts_waits(door: socket.socket, upstream: Upstream) -> None:
    where = door.getsockname()
    words = ("--listen", "fd:web", "--upstream", upstream.address)
    with activated(door, *words) as child:
        assert listening(child) == f"listening proxy 127.0.0.1:{where[1]}\n"
        client, server = dial(where), upstream.accept()
        assert send(client, b"hello") == "ok"
        assert recv(server) == b"hello"
        end(child)
    waiting = dial(where)
    assert send(waiting, b"patience") == "ok"
    with activated(door, *words) as child:
        assert recv(upstream.accept()) == b"patience"
        end(child)


def test_it_is_given_back_as_it_was(door: socket.socket, upstream: Upstream, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    words = ("--listen", "fd:3", "--upstream", upstream.address, "--journal", str(journal))
    with activated(door, *words, "--fault", "refuse", "--when", "applied") as child:
        assert listening(child)
        with pytest.raises(ConnectionRefusedError):
            dial(door.getsockname())
        end(child)
    dial(door.getsockname())
    door.settimeout(HANG)
    door.accept()[0].close()


def test_a_socket_that_was_not_passed_is_told(door: socket.socket, upstream: Upstream, tmp_path: Path) -> None:
    with activated(door, "--listen", "fd:wbe", "--upstream", upstream.address) as child:
        _, told = child.communicate(timeout=3 * HANG)
        assert child.returncode == 3
    why = "no socket of this name was passed on to us (there are: web, 3)"
    assert told == f"bustedwall: proxy 'proxy' cannot listen on fd:wbe: {why}\n"
    config = tmp_path / "config.yaml"
    proxies = "".join(f"  - {{name: {name}, listen: 'fd:web', upstream: '127.0.0.1:1'}}\n" for name in ("a", "b"))
    config.write_text(f"version: 1\nproxies:\n{proxies}")
    with activated(door, str(config)) as child:
        _, told = child.communicate(timeout=3 * HANG)
        assert child.returncode == 3
    assert told == "bustedwall: proxy 'b' cannot listen on fd:web: another proxy has this socket\n"
