"""Any bytes in any chunks pass, with any pauses, and what ends a connection ends the other one alike."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.relay.peers import HANG, abort, acknowledged, recv, send
from tests.relay.rig import Rig, running

from bustedwall.flow.endings import FLUSH_LIMIT

SMALL = 4096
"""A receive buffer that a few chunks fill."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("wall"), buffer=SMALL) as rig:
        yield rig


@dataclass(frozen=True)
class Side:
    """What one end sends, and how it reads."""

    chunks: tuple[int, ...]
    read: int
    pauses: frozenset[int]
    """After which reads it pauses."""

    @property
    def data(self) -> bytes:
        return random.Random(sum(self.chunks) + len(self.chunks)).randbytes(sum(self.chunks))


SIDES = st.builds(
    Side,
    chunks=st.lists(st.sampled_from([1, 2, 700, 1448, 16384, 65537, 300_000]), max_size=6).map(tuple),
    read=st.sampled_from([500, 4096, 65536]),
    pauses=st.frozensets(st.integers(0, 12), max_size=4),
)


def speak(sock: socket.socket, side: Side) -> None:
    data, at = side.data, 0
    for chunk in side.chunks:
        assert send(sock, data[at : at + chunk]) == "ok"
        at += chunk


def listen(sock: socket.socket, side: Side, count: int | None = None) -> tuple[bytes, str]:
    """Read to the end, or so many bytes, in this side's manner."""
    got, turn = bytearray(), 0
    while count is None or len(got) < count:
        data = recv(sock, side.read if count is None else min(side.read, count - len(got)))
        if isinstance(data, str):
            return bytes(got), data
        got += data
        if turn in side.pauses:
            time.sleep(0.02)
        turn += 1
    return bytes(got), ""


def both_finish(one: socket.socket, two: socket.socket, mine: Side, yours: Side) -> None:
    """Both speak at once, say that they have finished, and listen to the end."""

    def live(sock: socket.socket, side: Side) -> None:
        speak(sock, side)
        sock.shutdown(socket.SHUT_WR)

    with ThreadPoolExecutor(4) as pool:
        heard_one = pool.submit(listen, one, mine)
        heard_two = pool.submit(listen, two, yours)
        for spoken in [pool.submit(live, one, mine), pool.submit(live, two, yours)]:
            spoken.result(HANG)
        assert heard_one.result(HANG) == (yours.data, "EOF")
        assert heard_two.result(HANG) == (mine.data, "EOF")


def ask_then_answer(one: socket.socket, two: socket.socket, mine: Side, yours: Side) -> None:
    """One speaks and finishes; only then the other speaks."""
    with ThreadPoolExecutor(2) as pool:
        heard = pool.submit(listen, two, yours)
        speak(one, mine)
        one.shutdown(socket.SHUT_WR)
        assert heard.result(HANG) == (mine.data, "EOF")
        answer = pool.submit(listen, one, mine)
        speak(two, yours)
        two.close()
        assert answer.result(HANG) == (yours.data, "EOF")


def one_aborts(one: socket.socket, two: socket.socket, mine: Side, yours: Side) -> None:
    """Both speak at once; when one has heard all, and all that it said has left it, it aborts.

    The RST waits for so long until the other has read what came before it; who reads more slowly misses the rest.
    """
    with ThreadPoolExecutor(4) as pool:
        heard_two = pool.submit(listen, two, yours)
        heard_one = pool.submit(listen, one, mine, len(yours.data))
        for spoken in [pool.submit(speak, one, mine), pool.submit(speak, two, yours)]:
            spoken.result(HANG)
        assert heard_one.result(HANG) == (yours.data, "")
        acknowledged(one)
        aborted = time.monotonic()
        abort(one)
        got, ending = heard_two.result(HANG)
        slow = time.monotonic() - aborted >= FLUSH_LIMIT
        assert ending == "ECONNRESET"
        assert got == mine.data or (slow and mine.data.startswith(got))


ENDINGS = [both_finish, ask_then_answer, one_aborts]


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.__name__)
def test_the_same_bytes_and_the_same_ending_arrive(
    rig: Rig, version: int, ending: Callable[[socket.socket, socket.socket, Side, Side], None]
) -> None:
    @settings(
        max_examples=30,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(mine=SIDES, yours=SIDES, server_is_one=st.booleans())
    def same(mine: Side, yours: Side, server_is_one: bool) -> None:  # noqa: FBT001 (hypothesis draws it)
        talk = rig.connect("plain", version, buffer=SMALL)
        try:
            assert talk.server is not None
            ends = (talk.server, talk.client) if server_is_one else (talk.client, talk.server)
            ending(*ends, mine, yours)
        finally:
            rig.hang_up()

    same()
