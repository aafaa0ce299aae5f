"""`corrupt`, `discard`, `duplicate`, `slice`: the stream itself, as the peers read it, on real sockets.

There is no table of errno to compare with: TCP is content with what it gets. What holds is that no
byte but those named is touched, that FIN and RST come behind the bytes, and that healing is exact.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import abort, read_all, read_exactly, recv, send
from tests.relay.rig import Rig, Talk, policy, running

from bustedwall.kernel.evidence import snapshot

LEGS = ("client", "server")
DATA = bytes(range(251)) * 400

STEPS = {
    "corrupt": {"corrupt": {"share": "1%"}},
    "corrupt-all": {"corrupt": {"share": "100%"}},
    "discard": {"discard": {"size": "10B"}},
    "duplicate": {"duplicate": {"size": "10B"}},
    "slice": {"slice": {"size": "100B"}},
    "slice-slowly": {"slice": {"size": "7B", "delay": "60ms"}},
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    uses: dict[str, list[object]] = {}
    for leg in LEGS:
        for name, step in STEPS.items():
            ((word, settings),) = step.items()
            full = {word: {**settings, "from": leg}}
            healed = [full, {"wait": {"bytes": "1000B", "from": leg}}, "heal"]
            uses[f"{name}-{leg}"] = [policy(folder, f"{name}-{leg}", [full])]
            uses[f"{name}-{leg}-healed"] = [policy(folder, f"{name}-{leg}-healed", healed)]
    with running(folder, uses) as rig:
        yield rig


@pytest.fixture(params=LEGS)
def leg(request: pytest.FixtureRequest) -> str:
    """Name the side whose bytes are damaged."""
    return request.param


def armed(connect: Connect, name: str, version: int, leg: str) -> tuple[Talk, socket.socket, socket.socket]:
    """Return a flow, the end whose bytes are damaged, and the other one."""
    talk = connect(name, version)
    talk.wait("fault-armed")
    assert talk.server is not None
    return (talk, talk.client, talk.server) if leg == "client" else (talk, talk.server, talk.client)


def through(speaker: socket.socket, listener: socket.socket, data: bytes) -> bytes:
    """Send bytes and a FIN; return what arrives before it."""
    assert send(speaker, data) == "ok"
    speaker.shutdown(socket.SHUT_WR)
    got, ending = read_all(listener)
    assert ending == "EOF"
    return got


def flipped(before: bytes, after: bytes) -> int:
    """Return how many bytes differ, each in exactly one bit."""
    assert len(before) == len(after)
    different = [a ^ b for a, b in zip(before, after, strict=True) if a != b]
    assert all(each.bit_count() == 1 for each in different)
    return len(different)


def test_corrupt_flips_one_bit_in_the_share_of_the_bytes(connect: Connect, version: int, leg: str) -> None:
    _, speaker, listener = armed(connect, f"corrupt-{leg}", version, leg)
    count = flipped(DATA, through(speaker, listener, DATA))
    # 100,400 draws of 1 %: 1,004 expected, standard deviation 31.5; ten of them either way.
    assert 689 <= count <= 1319


def test_corrupt_of_all_leaves_no_byte_as_it_was(connect: Connect, version: int, leg: str) -> None:
    _, speaker, listener = armed(connect, f"corrupt-all-{leg}", version, leg)
    assert flipped(DATA, through(speaker, listener, DATA)) == len(DATA)


def test_corrupt_healed_after_n_bytes_touches_no_later_one(connect: Connect, version: int, leg: str) -> None:
    _, speaker, listener = armed(connect, f"corrupt-all-{leg}-healed", version, leg)
    got = through(speaker, listener, DATA)
    assert flipped(DATA[:1000], got[:1000]) == 1000


def test_discard_takes_the_next_bytes_and_no_others(connect: Connect, version: int, leg: str) -> None:
    talk, speaker, listener = armed(connect, f"discard-{leg}", version, leg)
    assert through(speaker, listener, DATA) == DATA[10:]
    assert send(listener, b"the other way is whole") == "ok"
    assert read_exactly(speaker, 22) == b"the other way is whole"
    listener.close()
    talk.wait("flow-closed")


def test_duplicate_sends_the_next_bytes_twice_and_no_others(connect: Connect, version: int, leg: str) -> None:
    _, speaker, listener = armed(connect, f"duplicate-{leg}", version, leg)
    assert through(speaker, listener, DATA) == DATA[:10] + DATA


def test_duplicate_that_ends_early_repeats_what_there_was(connect: Connect, version: int, leg: str) -> None:
    _, speaker, listener = armed(connect, f"duplicate-{leg}", version, leg)
    assert through(speaker, listener, b"abc") == b"abcabc"


@pytest.mark.parametrize("name", ["slice", "slice-slowly"])
def test_slice_keeps_every_byte(connect: Connect, version: int, leg: str, name: str) -> None:
    _, speaker, listener = armed(connect, f"{name}-{leg}", version, leg)
    data = DATA if name == "slice" else DATA[:50]
    assert through(speaker, listener, data) == data


def test_slice_with_a_delay_sends_one_piece_after_the_other(connect: Connect, version: int, leg: str) -> None:
    _, speaker, listener = armed(connect, f"slice-slowly-{leg}", version, leg)
    before = snapshot(listener).data_segments_in
    began = time.monotonic()
    assert send(speaker, DATA[:50]) == "ok"
    pieces = []
    while sum(map(len, pieces)) < 50:
        piece = recv(listener)
        assert isinstance(piece, bytes)
        pieces.append(piece)
    assert b"".join(pieces) == DATA[:50]
    assert all(len(piece) % 7 == 0 for piece in pieces[:-1]), "a busy reader may find two pieces, never half of one"
    assert snapshot(listener).data_segments_in - before >= 8, "however they are read, each came by itself"
    assert time.monotonic() - began >= 7 * 0.06


def test_slice_healed_lets_go_all_at_once_and_in_order(connect: Connect, version: int, leg: str) -> None:
    _, speaker, listener = armed(connect, f"slice-{leg}-healed", version, leg)
    assert through(speaker, listener, DATA) == DATA


@pytest.mark.parametrize("name", ["corrupt", "discard", "duplicate", "slice", "slice-slowly"])
def test_a_rst_comes_behind_the_bytes(connect: Connect, version: int, leg: str, name: str) -> None:
    _, speaker, listener = armed(connect, f"{name}-{leg}", version, leg)
    expected = {"discard": 20, "duplicate": 40}.get(name, 30)
    assert send(speaker, b"x" * 30) == "ok"
    abort(speaker)
    got, ending = read_all(listener)
    assert (len(got), ending) == (expected, "ECONNRESET")


@pytest.mark.parametrize("name", ["corrupt", "discard", "duplicate", "slice"])
def test_single_bytes_fare_like_large_chunks(connect: Connect, version: int, leg: str, name: str) -> None:
    _, speaker, listener = armed(connect, f"{name}-{leg}", version, leg)
    speaker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in b"0123456789abcdef":
        assert send(speaker, bytes([byte])) == "ok"
    speaker.shutdown(socket.SHUT_WR)
    got, ending = read_all(listener)
    assert ending == "EOF"
    if name == "corrupt":
        assert flipped(b"0123456789abcdef", got) <= 5
    else:
        assert got == {"discard": b"abcdef", "duplicate": b"01234567890123456789abcdef"}.get(name, b"0123456789abcdef")
