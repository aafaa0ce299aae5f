"""Sockets that somebody else has opened: which are ours, and what is said of those that will not do."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from bustedwall.kernel.passed import PassedSockets


@pytest.fixture
def door() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def given(**fds: list[int]) -> PassedSockets:
    """Duplicates of these, because they are closed in the end."""
    return PassedSockets({name: [os.dup(fd) for fd in numbers] for name, numbers in fds.items()})


def test_what_is_opened_accepts_what_comes_to_the_socket(door: socket.socket) -> None:
    passed = given(web=[door.fileno()])
    with passed.open("web") as ours, passed.open("web") as again:
        assert ours.getsockname() == again.getsockname() == door.getsockname()
        assert not ours.getblocking()
        with socket.create_connection(door.getsockname(), timeout=10):
            ours.settimeout(10)
            ours.accept()[0].close()
    passed.close()
    with socket.create_connection(door.getsockname(), timeout=10):
        pass  # it is not ours alone


def test_what_will_not_do_is_told(door: socket.socket) -> None:
    with socket.socket() as idle, socket.socket(socket.AF_UNIX) as local:
        passed = given(web=[door.fileno()], two=[door.fileno()] * 2, idle=[idle.fileno()], local=[local.fileno()])
        for name, told in (
            ("api", r"no socket of this name was passed on to us \(there are: web, two, idle, local\)"),
            ("two", r"several sockets have this name; they are fd:\d+, fd:\d+"),
            ("idle", "this is not a TCP socket that listens"),
            ("local", "this is not a TCP socket that listens"),
        ):
            with pytest.raises(OSError, match=told):
                passed.open(name)
        passed.close()
    with pytest.raises(OSError, match="none was passed"):
        passed.open("web")


@pytest.mark.parametrize("pid", ["1", "", "x"])
def test_what_is_meant_for_another_process_is_not_ours_and_is_not_handed_on(pid: str) -> None:
    environ = {"LISTEN_PID": pid, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web", "PATH": "/bin"}
    with pytest.raises(OSError, match="none was passed"):
        PassedSockets.of(environ).open("web")
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize("count", ["9" * 9, "9" * 5000])
def test_what_is_announced_and_is_not_there_is_not_ours(count: str) -> None:
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": count, "LISTEN_FDNAMES": "web"}
    with pytest.raises(OSError, match="no socket of this name"):
        PassedSockets.of(environ).open("999999999")
    assert not environ
