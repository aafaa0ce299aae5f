"""A fault that strikes in the middle of a bulk transfer, while bytes go by without being looked at."""

from __future__ import annotations

import socket
import threading
from bisect import bisect_left
from collections.abc import Iterator

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import read_all, recv, send
from tests.relay.rig import Rig, Talk, policy, running
from tests.sockets.calls import play

LEGS = ("client", "server")
OTHER = {"client": "server", "server": "client"}
BLOCK = bytes(range(251)) * 4177  # about a MiB; 251 is prime, so no cut goes unseen
MORE = 4
"""Blocks after the fault has struck."""
AGE = {"flow_age": "60ms"}

WHOLE: dict[str, dict[str, object]] = {
    "stall": {"stall": {"from": "LEG", "for": "400ms"}},
    "zero-window": {"stall": {"how": "zero_window", "from": "LEG", "for": "400ms"}},
    "from": {"drop": {"what": "all", "from": "LEG", "for": "300ms"}},
    "to": {"drop": {"what": "all", "to": "LEG", "for": "300ms"}},
    "acks": {"drop": {"what": "acks", "to": "LEG", "for": "300ms"}},
    "write": {"drop": {"what": "next_write", "to": "OTHER"}},
    "hole": {"blackhole": {"leg": "LEG", "for": "300ms"}},
    "latency": {"latency": {"delay": "50ms", "from": "LEG", "for": "400ms"}},
    "bandwidth": {"bandwidth": {"rate": "1MiB/s", "from": "LEG", "for": "300ms"}},
    "slice": {"slice": {"size": "1KiB", "from": "LEG", "for": "300ms"}},
}
"""What keeps every byte; LEG speaks, OTHER listens."""

pytestmark = pytest.mark.long("seconds each: megabytes, and ends that nobody is told of")

ENDINGS = ("reset", "close", "close_unread", "half_close", "vanish")


def filled(value: object, leg: str) -> object:
    """Put the legs into a step."""
    if isinstance(value, dict):
        return {key: filled(each, leg) for key, each in value.items()}
    return {"LEG": leg, "OTHER": OTHER[leg]}.get(str(value), value)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    uses: dict[str, list[object]] = {}
    for leg in LEGS:
        steps = {name: filled(step, leg) for name, step in WHOLE.items()}
        steps |= {
            "discard": {"discard": {"size": "10B", "from": leg}},
            "duplicate": {"duplicate": {"size": "10B", "from": leg}},
        }
        steps |= {f"listener-{fault}": {fault: OTHER[leg]} for fault in ENDINGS}
        steps |= {f"speaker-{fault}": {fault: leg} for fault in ENDINGS}
        for name, step in steps.items():
            each = f"{name}-{leg}".replace("_", "-")
            uses[each] = [policy(folder, each, [step], AGE)]
    with running(folder, uses) as rig:
        yield rig


@pytest.fixture(params=[("client", 4), ("server", 6)], ids=["client-IPv4", "server-IPv6"])
def way(request: pytest.FixtureRequest) -> tuple[str, int]:
    """Name the side that sends much, and the version."""
    return request.param


class Stream:
    """A speaker that sends blocks until the fault has struck, and some more; and a listener that reads them."""

    def __init__(self, talk: Talk, leg: str, silence: float = 10) -> None:
        """After so many seconds of silence the listener takes it that nothing comes."""
        assert talk.server is not None
        self.speaker, self.listener = (talk.client, talk.server) if leg == "client" else (talk.server, talk.client)
        self.listener.settimeout(silence)
        self.sent = 0
        self.ended = "ok"
        """What the last send gave."""
        self.got = b""
        self.ending = ""
        self._struck = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._speak, self._listen)]
        for thread in self._threads:
            thread.start()
        talk.wait("fault-armed")
        self._struck.set()

    def _speak(self) -> None:
        more = MORE
        while more and self.ended == "ok":
            more -= self._struck.is_set()
            self.ended = send(self.speaker, BLOCK)
            self.sent += len(BLOCK)
        if self.ended == "ok":
            self.speaker.shutdown(socket.SHUT_WR)

    def _listen(self) -> None:
        self.got, self.ending = read_all(self.listener)

    def wait(self) -> None:
        """Wait until both have come to an end."""
        for thread in self._threads:
            thread.join(40)
            assert not thread.is_alive()

    def expected(self) -> bytes:
        """Return what was sent."""
        return BLOCK * (self.sent // len(BLOCK))


@pytest.mark.parametrize("name", WHOLE)
def test_every_byte_arrives_and_the_fin(connect: Connect, way: tuple[str, int], name: str) -> None:
    leg, version = way
    talk = connect(f"{name}-{leg}", version)
    stream = Stream(talk, leg)
    stream.wait()
    assert (stream.ended, stream.ending, len(stream.got)) == ("ok", "EOF", stream.sent)
    assert stream.got == stream.expected()
    assert send(stream.listener, b"thanks") == "ok"
    assert recv(stream.speaker) == b"thanks"
    stream.listener.close()
    assert talk.wait("flow-closed")["discarded"] == 0


@pytest.mark.parametrize(("name", "difference"), [("discard", -10), ("duplicate", 10)])
def test_damage_in_the_middle_is_as_large_as_it_says(
    connect: Connect, way: tuple[str, int], name: str, difference: int
) -> None:
    leg, version = way
    stream = Stream(connect(f"{name}-{leg}", version), leg)
    stream.wait()
    sent, got = stream.expected(), stream.got
    assert (stream.ending, len(got) - len(sent)) == ("EOF", difference)
    same = bisect_left(range(len(got)), x=True, key=lambda end: got[: end + 1] != sent[: end + 1])
    assert got[same:] == sent[same - difference :]


@pytest.mark.parametrize("fault", ENDINGS)
def test_the_listener_is_ended_and_the_speaker_is_read(connect: Connect, way: tuple[str, int], fault: str) -> None:
    leg, version = way
    talk = connect(f"listener-{fault}-{leg}".replace("_", "-"), version)
    stream = Stream(talk, leg, 10 if fault in ("reset", "close", "half_close") else 3)
    stream.wait()
    endings = {"reset": "ECONNRESET", "close": "EOF", "half_close": "EOF"}
    # Who has vanished answers the ACKs that are still under way by a RST, as it answers data.
    assert stream.ending in ({"nothing", "ECONNRESET"} if fault == "vanish" else {endings.get(fault, "nothing")})
    assert stream.expected().startswith(stream.got)
    assert stream.ended == "ok"
    if stream.ending == "nothing":
        script = ["send: ok", "rst", "recv: ECONNRESET"]
        assert play(stream.listener, script, lambda: None) == script
    stream.listener.close()
    assert recv(stream.speaker) == "EOF", "the speaker's FIN is answered"
    closed = talk.wait("flow-closed")
    assert closed[f"from_{leg}"] + closed["discarded"] == stream.sent
    assert closed[f"from_{leg}"] >= len(stream.got)
    assert (closed[f"from_{leg}"] == len(stream.got)) or fault in ("reset", "vanish", "close_unread")


@pytest.mark.parametrize("fault", ENDINGS)
def test_the_speaker_is_ended_and_the_listener_keeps_what_had_passed(
    connect: Connect, way: tuple[str, int], fault: str
) -> None:
    leg, version = way
    talk = connect(f"speaker-{fault}-{leg}".replace("_", "-"), version)
    stream = Stream(talk, leg, 10 if fault == "half_close" else 2)
    stream.wait()
    assert stream.expected().startswith(stream.got)
    if fault == "half_close":
        assert (stream.ended, stream.ending, len(stream.got)) == ("ok", "EOF", stream.sent)
        assert recv(stream.speaker) == "EOF"
    else:
        assert stream.ended == ("EPIPE" if fault == "close" else "ECONNRESET")
        assert stream.ending == "nothing"
    stream.listener.close()
    talk.wait("flow-closed")
