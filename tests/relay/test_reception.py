"""A client's time to tell its header, with a clock that the test holds."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from tests.relay.peers import recv

from bustedwall.kernel.sockets import Socket
from bustedwall.relay.alarm import Sleeper
from bustedwall.relay.poller import IN, Watcher
from bustedwall.relay.reception import Arrival, Reception
from bustedwall.terms.facts import ProxyHeaderRefused
from bustedwall.terms.proxy_header import Header, Refusal, read

LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"
CLIENT = ("127.0.0.1", 9)


class Clockwork:
    """Stands in for poller and alarm, and knows who is watched and when who is woken."""

    def __init__(self) -> None:
        self.now = 100.0
        self.watched: dict[int, Watcher] = {}
        self.due: dict[Sleeper, float] = {}

    def clock(self) -> float:
        return self.now

    def watch(self, fd: int, watcher: Watcher) -> None:
        self.watched[fd] = watcher

    def forget(self, fd: int) -> None:
        del self.watched[fd]

    release = forget

    def set(self, sleeper: Sleeper, when: float | None) -> None:
        self.due.pop(sleeper, None)
        if when is not None:
            self.due[sleeper] = when


class Hall:
    """A reception with one client in it."""

    def __init__(self) -> None:
        self.works = Clockwork()
        self.admitted: list[tuple[Socket, tuple[str, int], Header]] = []
        self.facts: list[ProxyHeaderRefused] = []
        self.lost = 0
        self.reception = Reception(self.works, self.works, self.admit, self.lose, self.facts.append)
        near, self.far = socket.socketpair()
        near.settimeout(0)
        self.far.settimeout(10)
        self.near = Socket(fileno=near.detach())
        self.reception.receive(self.near, CLIENT, 5.0)
        ((_, arrival),) = self.works.watched.items()
        assert isinstance(arrival, Arrival)
        self.arrival = arrival

    def admit(self, sock: Socket, client: tuple[str, int], header: Header) -> None:
        self.admitted.append((sock, client, header))

    def lose(self) -> None:
        self.lost += 1

    def say(self, data: bytes) -> None:
        self.far.sendall(data)
        self.arrival.on_event(IN)


@pytest.fixture
def hall() -> Iterator[Hall]:
    hall = Hall()
    yield hall
    hall.reception.close()
    for _, *_ in hall.admitted:
        hall.near.close()
    hall.far.close()


def test_the_time_for_a_header_is_counted_from_the_acceptance(hall: Hall) -> None:
    assert hall.works.due == {hall.arrival: 105.0}
    hall.works.now = 104.0
    hall.say(LINE[:-1])
    assert hall.works.due == {hall.arrival: 105.0}, "a piece of it gives no more time"
    hall.arrival.wake(105.0)
    assert hall.facts == [ProxyHeaderRefused("127.0.0.1:9", Refusal.LATE)]
    assert (len(hall.reception), hall.works.watched, hall.works.due) == (0, {}, {})
    assert recv(hall.far) in ("ECONNRESET", "EOF")


def test_a_client_that_is_let_in_is_watched_and_woken_no_more(hall: Hall) -> None:
    hall.say(LINE + b"hello")
    assert hall.admitted == [(hall.near, CLIENT, read(LINE))]
    assert (len(hall.reception), hall.works.watched, hall.works.due, hall.facts) == (0, {}, {}, [])
    assert hall.near.recv(100) == b"hello"


class Torn:
    """A socket whose peer sets an urgent mark between two looks at what it has sent."""

    def __init__(self, sock: Socket) -> None:
        self._sock = sock

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)

    def recv(self, count: int, flags: int = 0) -> bytes:
        return self._sock.recv(count if flags else count // 2, flags)


def test_a_header_that_is_torn_in_the_last_moment_is_refused(hall: Hall) -> None:
    hall.arrival.sock = Torn(hall.near)
    hall.say(LINE)
    assert hall.facts == [ProxyHeaderRefused("127.0.0.1:9", Refusal.MALFORMED)]
    assert hall.admitted == []


def test_an_event_without_bytes_changes_nothing(hall: Hall) -> None:
    hall.arrival.on_event(IN)
    assert (len(hall.reception), hall.facts) == (1, [])


def test_a_bug_ends_the_client_and_nobody_else(hall: Hall) -> None:
    hall.arrival.on_failure()
    assert (len(hall.reception), hall.works.watched, hall.works.due) == (0, {}, {})
    hall.arrival.on_failure()
