"""The loop that serves everyone, alone: what one party does wrong must not stop it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

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
