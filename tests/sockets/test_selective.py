"""Some of what arrives is lost, on real sockets: what is meant, and nothing beside it.

What each end gets follows from RFC 9293: what is not ACKed is sent again; a FIN that is lost leaves its
sender in FIN-WAIT-1; a RST is sent once; who gets no answer to keepalives gives up.
"""

from __future__ import annotations

import fcntl
import socket
import sys
import termios
import time
from collections.abc import Iterator

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import abort, acknowledged, read_exactly, recv, send, until
from tests.relay.rig import Rig, Talk, policy, running
from tests.sockets.calls import QUIET, info, state

pytestmark = pytest.mark.root("CAP_NET_ADMIN")

LEGS = ("client", "server")
OTHER = {"client": "server", "server": "client"}

FIN_WAIT_1 = 4
FIN_WAIT_2 = 5
CLOSED = 7

IDLE, BETWEEN, COUNT = 1, 1, 2
"""Of a client's keepalives: seconds before the first, seconds between two, how many."""

LIMIT = 1000
"""Bytes behind which all is lost."""

SMALL, LARGE = bytes(100), bytes(5000)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    steps: dict[str, list[object]] = {}
    for leg in LEGS:
        for what in ("data", "acks", "fin", "rst", "keepalives"):
            steps[f"{what}-{leg}"] = [{"drop": f"{what} from {leg}"}]
        told: dict[str, object] = {"wait": {"contains": "HEAL", "from": OTHER[leg], "deliver": False}}
        for what in ("data", "fin"):
            steps[f"{what}-{leg}-told"] = [{"drop": f"{what} from {leg}"}, told, "heal"]
        steps[f"larger-{leg}"] = [{"drop": {"what": "data", "from": leg, "larger_than": "1kB"}}]
        beyond = {"what": "data", "from": leg, "beyond": f"{LIMIT}B"}
        steps[f"beyond-{leg}"] = [{"drop": beyond}]
        steps[f"beyond-{leg}-span"] = [{"drop": beyond | {"for": "500ms"}}]
        half = {"what": "data", "from": leg, "probability": "50%"}
        word = {"wait": {"bytes": "1B", "from": OTHER[leg]}}
        steps[f"half-{leg}"] = [{"drop": half}, word, "heal"]
        steps[f"two-{leg}"] = [
            {"drop": f"fin from {leg}"},
            {"drop": {"what": "data", "from": leg, "for": "500ms"}},
            {"drop": {"what": "all", "from": leg, "for": "300ms"}},
        ]
    policies = {name: [policy(folder, name, each)] for name, each in steps.items()}
    beyond = {"what": "data", "from": "client", "beyond": f"{LIMIT}B"}
    policies["beyond-accept"] = [policy(folder, "beyond-accept", [{"drop": beyond}], "accept")]
    with running(folder, policies) as rig:
        yield rig


@pytest.fixture(params=LEGS)
def leg(request: pytest.FixtureRequest) -> str:
    """Name the leg whose peer's segments are lost."""
    return request.param


def armed(connect: Connect, name: str, version: int, losses: int = 1) -> Talk:
    """Open a flow; its losses are in force."""
    talk = connect(name, version)
    assert talk.wait("loss-set", losses)["error"] is None
    return talk


def ends(talk: Talk, leg: str) -> tuple[socket.socket, socket.socket]:
    """Return the peer of this leg, and that of the other one."""
    assert talk.server is not None
    return (talk.client, talk.server) if leg == "client" else (talk.server, talk.client)


def hears_nothing(sock: socket.socket) -> bool:
    sock.settimeout(QUIET)
    got = recv(sock)
    sock.settimeout(10)
    return got == "nothing"


def unacknowledged(sock: socket.socket) -> int:
    """Return how many bytes the other end's kernel does not have."""
    return int.from_bytes(fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def verdict(talk: Talk) -> str:
    """Return what the proxy says of the loss, once the flow has ended."""
    talk.wait("flow-closed")
    return str(talk.wait("loss-evidence")["verdict"])


def test_data_is_lost_and_sent_again_and_what_comes_the_other_way_arrives(
    connect: Connect, version: int, leg: str
) -> None:
    talk = armed(connect, f"data-{leg}", version)
    speaker, other = ends(talk, leg)
    assert send(speaker, b"request") == "ok"
    assert send(other, b"do you hear me?") == "ok"
    assert read_exactly(speaker, 15) == b"do you hear me?"
    acknowledged(other)
    until(lambda: info(speaker).total_retrans >= 2, "it is sent again and again")
    assert hears_nothing(other)
    abort(speaker)
    assert recv(other) == "ECONNRESET", "a RST carries no data"
    assert verdict(talk) == "effective"


def test_data_that_was_lost_for_a_while_arrives_then(connect: Connect, version: int, leg: str) -> None:
    talk = armed(connect, f"data-{leg}-told", version)
    speaker, other = ends(talk, leg)
    assert send(speaker, b"request") == "ok"
    until(lambda: info(speaker).total_retrans >= 1, "it is sent again")
    assert send(other, b"HEAL") == "ok"
    assert read_exactly(other, 7) == b"request"
    assert len(talk.wait("loss-set", 2)["losses"]) == 0, "not before it was over"
    assert talk.wait("loss-evidence")["verdict"] == "effective"


def test_acks_that_are_lost_have_us_send_again_what_was_received(connect: Connect, version: int, leg: str) -> None:
    talk = armed(connect, f"acks-{leg}", version)
    receiver, other = ends(talk, leg)
    assert send(other, b"answer") == "ok"
    assert read_exactly(receiver, 6) == b"answer"
    acknowledged(other)
    time.sleep(0.6)  # in which our kernel sends again, at 0.2 and 0.4 s
    assert hears_nothing(receiver)
    assert send(receiver, b"thanks") == "ok"
    assert read_exactly(other, 6) == b"thanks", "data passes, with the ACK that it carries"
    abort(receiver)
    assert recv(other) == "ECONNRESET"
    evidence = talk.wait("loss-evidence")
    assert evidence["verdict"] == "effective"
    assert evidence["sent_again"] >= 1


def test_a_fin_that_is_lost_leaves_its_sender_waiting(connect: Connect, version: int, leg: str) -> None:
    talk = armed(connect, f"fin-{leg}", version)
    speaker, other = ends(talk, leg)
    assert send(speaker, b"the last words") == "ok"
    assert read_exactly(other, 14) == b"the last words"
    acknowledged(speaker)
    speaker.shutdown(socket.SHUT_WR)
    until(lambda: info(speaker).total_retrans >= 1, "it is sent again")
    assert state(speaker) == FIN_WAIT_1
    assert hears_nothing(other)
    assert send(other, b"still there?") == "ok"
    assert read_exactly(speaker, 12) == b"still there?"


def test_a_fin_that_was_lost_for_a_while_arrives_then(connect: Connect, version: int, leg: str) -> None:
    talk = armed(connect, f"fin-{leg}-told", version)
    speaker, other = ends(talk, leg)
    speaker.shutdown(socket.SHUT_WR)
    until(lambda: info(speaker).total_retrans >= 1, "it is sent again")
    assert send(other, b"HEAL") == "ok"
    assert recv(other) == "EOF"
    assert len(talk.wait("loss-set", 2)["losses"]) == 0, "not before it was over"
    until(lambda: state(speaker) == FIN_WAIT_2, "its FIN is acknowledged")


def test_a_rst_that_is_lost_is_never_heard_of(connect: Connect, version: int, leg: str) -> None:
    talk = armed(connect, f"rst-{leg}", version)
    speaker, other = ends(talk, leg)
    assert send(speaker, b"hello") == "ok"
    assert read_exactly(other, 5) == b"hello"
    abort(speaker)
    assert hears_nothing(other)
    assert send(other, b"are you there?") == "ok", "and what that brings, another RST, is lost as well"
    assert hears_nothing(other)


def test_who_gets_no_answer_to_keepalives_gives_up_after_data_has_flowed(
    connect: Connect, version: int, leg: str
) -> None:
    talk = armed(connect, f"keepalives-{leg}", version)
    speaker, other = ends(talk, leg)
    for option, value in (
        (socket.TCP_KEEPIDLE, IDLE),
        (socket.TCP_KEEPINTVL, BETWEEN),
        (socket.TCP_KEEPCNT, COUNT),
    ):
        speaker.setsockopt(socket.IPPROTO_TCP, option, value)
    speaker.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for number in range(15):
        assert send(speaker, bytes([number])) == "ok"
        assert recv(other) == bytes([number]), "data passes, and moves the number by which keepalives are known"
        time.sleep(0.1)
    began = time.monotonic()
    assert recv(speaker) == "ETIMEDOUT"
    assert time.monotonic() - began >= IDLE
    assert recv(other) == "ECONNRESET", "giving up on keepalives sends a RST"


def test_what_is_not_large_passes(connect: Connect, version: int, leg: str) -> None:
    talk = armed(connect, f"larger-{leg}", version)
    speaker, other = ends(talk, leg)
    assert send(speaker, SMALL) == "ok"
    assert read_exactly(other, len(SMALL)) == SMALL
    assert send(speaker, LARGE) == "ok"
    until(lambda: info(speaker).total_retrans >= 2, "it is sent again and again")
    assert hears_nothing(other)
    abort(speaker)
    assert verdict(talk) == "effective"


def test_with_a_probability_some_is_lost_and_all_arrives(connect: Connect, version: int, leg: str) -> None:
    talk = armed(connect, f"half-{leg}", version)
    speaker, other = ends(talk, leg)
    speaker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    words = [bytes([number]) * 10 for number in range(40)]
    for word in words:
        assert send(speaker, word) == "ok"
        time.sleep(0.002)  # a segment for each
    until(lambda: info(speaker).total_retrans >= 1, "some is sent again")
    assert send(other, b"!") == "ok"  # heals it, or TCP's patience would be drawn, too
    assert read_exactly(other, 400) == b"".join(words)
    evidence = talk.wait("loss-evidence")
    assert evidence["thrown_away"] >= 1
    assert evidence["verdict"] == "effective"


@pytest.mark.parametrize("cut", [1, 700, 1000])
def test_beyond_a_byte_nothing_is_acknowledged_and_the_other_side_has_exactly_so_many(
    connect: Connect, version: int, leg: str, cut: int
) -> None:
    talk = armed(connect, f"beyond-{leg}", version)
    speaker, other = ends(talk, leg)
    speaker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = bytes(range(250)) * 8
    assert send(speaker, data[:cut]) == "ok"
    assert read_exactly(other, cut) == data[:cut]
    assert send(speaker, data[cut:]) == "ok"
    if cut < LIMIT:
        assert read_exactly(other, LIMIT - cut) == data[cut:LIMIT]
    until(lambda: info(speaker).total_retrans >= 2, "it is sent again and again")
    assert hears_nothing(other)
    assert unacknowledged(speaker) == len(data) - LIMIT, "the segment across the limit is acknowledged in part"
    abort(speaker)
    assert recv(other) == "ECONNRESET"
    assert verdict(talk) == "effective"


def test_beyond_a_byte_what_comes_the_other_way_arrives(connect: Connect, version: int, leg: str) -> None:
    talk = armed(connect, f"beyond-{leg}", version)
    speaker, other = ends(talk, leg)
    assert send(speaker, bytes(2 * LIMIT)) == "ok"
    assert len(read_exactly(other, LIMIT)) == LIMIT
    assert send(other, b"answer") == "ok"
    assert read_exactly(speaker, 6) == b"answer"
    acknowledged(other)
    assert hears_nothing(other)


def test_beyond_a_byte_all_comes_when_it_is_healed_and_a_fin_at_the_limit_passes(
    connect: Connect, version: int, leg: str
) -> None:
    talk = armed(connect, f"beyond-{leg}-span", version)
    speaker, other = ends(talk, leg)
    data = bytes(range(250)) * 8
    assert send(speaker, data) == "ok"
    assert read_exactly(other, len(data)) == data
    assert len(talk.wait("loss-set", 2)["losses"]) == 0, "not before it was over"

    talk = armed(connect, f"beyond-{leg}", version)
    speaker, other = ends(talk, leg)
    assert send(speaker, data[:LIMIT]) == "ok"
    speaker.shutdown(socket.SHUT_WR)
    assert read_exactly(other, LIMIT) == data[:LIMIT]
    assert recv(other) == "EOF"


@pytest.mark.usefixtures("connect")
def test_beyond_from_accept_on_the_server_never_gets_more(rig: Rig, version: int) -> None:
    for _ in range(20):
        sock = socket.create_connection(rig.wall.addresses[f"beyond-accept-{version}"])
        sock.sendall(bytes(5000))  # at once: some of it may be there before the limit is
        server = rig.upstreams[version].accept()
        assert len(read_exactly(server, LIMIT)) == LIMIT
        assert hears_nothing(server)
        abort(sock)  # its RST stays behind bytes that are held
        server.close()


def test_losses_on_one_leg_are_a_union_and_each_ends_alone(connect: Connect, version: int, leg: str) -> None:
    talk = armed(connect, f"two-{leg}", version, 3)
    speaker, other = ends(talk, leg)
    assert send(speaker, b"words") == "ok"
    assert read_exactly(other, 5) == b"words"
    talk.wait("loss-set", 5)
    sets = [fact["losses"] for fact in talk.facts() if fact["fact"] == "loss-set"]
    assert sets[-1] == ["fin from"], "all and data have ended, one by one"
    assert ["data from", "fin from"] in sets
    acknowledged(speaker)
    speaker.shutdown(socket.SHUT_WR)
    assert hears_nothing(other)
    assert state(speaker) == FIN_WAIT_1
