"""The loop that serves everyone, alone: what one party does wrong must not stop it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from bustedwall.kernel.sockets import Socket
from bustedwall.relay import poller
from bustedwall.relay.listener import Listener
from bustedwall.relay.seats import Seats
from bustedwall.terms.door import Door, DoorMode
from bustedwall.terms.facts import AcceptPaused, DoorSet


class Later:
    """A reactor that notes what is asked of it."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def addReader(self, reader: object) -> None:  # noqa: N802 (Twisted's name)
        pass

    removeReader = addReader  # noqa: N815 (Twisted's name)

    def callLater(self, seconds: float, call: object) -> None:  # noqa: N802 (Twisted's name)
        self.calls.append(call)


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the poller logs as failures, which would else fail the test."""
    said: list[str] = []
    monkeypatch.setattr(poller.log, "failure", said.append)
    return said


@pytest.fixture
def loop() -> Iterator[poller.Poller]:
    with closing(poller.Poller(Later())) as loop:  # type: ignore[arg-type]  # it notes what a reactor would do
        yield loop


class Watching:
    """Writes down when it is told that there is something, and leaves when its connection is over."""

    def __init__(self, loop: poller.Poller, name: str, story: list[str], fd: int | None = None) -> None:
        self.ours, self.theirs = socket.socketpair()
        if fd is not None:
            with self.ours as ours:
                self.ours = socket.socket(fileno=os.dup2(ours.fileno(), fd))
        self.ours.settimeout(0)
        self._loop, self._name, self._story = loop, name, story
        loop.watch(self.ours.fileno(), self)

    def on_event(self, events: int) -> None:
        if events & poller.OUT and not events & poller.READABLE:
            return  # it may be written to, as from the beginning
        self._story.append(self._name)
        if events & poller.FINISHING:
            self.leave()

    def leave(self) -> None:
        self._loop.forget(self.ours.fileno())
        self.ours.close()

    def on_turn(self) -> None:
        pass

    on_failure = on_turn


def until_idle(loop: poller.Poller) -> None:
    """Give the loop its turns as a reactor does."""
    later: Any = loop.reactor
    loop.doRead()
    while later.calls:
        later.calls.pop()()


def test_hundreds_of_connections_that_are_over_hold_up_no_message(loop: poller.Poller) -> None:
    story: list[str] = []
    ended = [Watching(loop, "over", story) for _ in range(300)]
    talking = Watching(loop, "message", story)
    until_idle(loop)
    for each in ended:
        each.theirs.close()
    talking.theirs.send(b"behind them all")
    until_idle(loop)

    assert story.count("over") == len(ended)
    assert story.index("message") <= 2 * poller._ENDINGS, "a batch before it was heard of, and its own"
    talking.leave()
    talking.theirs.close()


def test_what_is_said_of_a_connection_that_was_given_up_is_told_to_nobody(loop: poller.Poller) -> None:
    story: list[str] = []
    ended = [Watching(loop, str(number), story) for number in range(2 * poller._ENDINGS)]
    until_idle(loop)
    for each in ended:
        each.theirs.close()
    last = ended[-1]
    loop._dispatch(loop._epoll.poll(0))
    fd = last.ours.fileno()
    last.leave()
    late = Watching(loop, "has its descriptor", story, fd)
    until_idle(loop)

    assert story == [str(number) for number in range(2 * poller._ENDINGS - 1)]
    late.leave()
    late.theirs.close()


def test_a_door_that_meets_a_bug_rests_and_comes_back(loop: poller.Poller, failures: list[str]) -> None:
    served: list[str] = []
    records: list[AcceptPaused] = []

    def accept(client: Socket, _: object) -> None:
        client.close()
        if not records:
            raise ZeroDivisionError
        served.append("a client")

    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(0)
        listener = Listener(loop, door, Seats(9), accept, records.append)
        with socket.create_connection(door.getsockname()), socket.create_connection(door.getsockname()):
            loop.doRead()
            assert len(failures) == len(records) == 1
            listener._come_back()
            loop.doRead()
        listener.close()

    assert served == ["a client"]
    assert len(failures) == 1


def test_a_door_that_was_shut_since_somebody_knocked_accepts_nobody(loop: poller.Poller) -> None:
    # Both may be in one batch of events; accept(2) on a socket that was shut is EINVAL, which is no reason to rest.
    records: list[AcceptPaused | DoorSet] = []
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(0)
        listener = Listener(loop, door, Seats(9), lambda *_: pytest.fail("accepted"), records.append)
        listener.set_door(Door(DoorMode.REFUSE))
        listener.on_knock()
        listener.close()
    assert [type(fact) for fact in records] == [DoorSet]
