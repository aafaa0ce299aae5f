"""`reject` on real sockets: who sends is reset, whoever it is; the other side hears nothing until it sends."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import recv, send, until
from tests.relay.rig import Rig, policy, running
from tests.sockets.capture import RST, capturing, told
from tests.sockets.test_reset import LEGS, OTHER, ends
from tests.sockets.test_wire_faults import of_leg, ports

pytestmark = pytest.mark.root("CAP_NET_RAW")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    uses: dict[str, list[object]] = {}
    for leg in LEGS:
        steps = [{"reject": {"from": leg}}, {"wait": {"bytes": "1B", "from": OTHER[leg]}}, "heal"]
        uses[leg] = [policy(folder, leg, steps, {"bytes": "1B", "from": OTHER[leg]})]
    with running(folder, uses) as rig:
        yield rig


@pytest.fixture(params=LEGS)
def leg(request: pytest.FixtureRequest) -> str:
    """Name the leg whose segments are rejected."""
    return request.param


def test_the_sender_is_reset_and_the_other_end_waits_until_it_sends(connect: Connect, version: int, leg: str) -> None:
    talk = connect(leg, version)
    victim, other = ends(talk, leg)
    assert send(other, b"1") == "ok"
    assert recv(victim) == b"1"
    talk.wait("loss-set")
    assert send(victim, b"lost") == "ok"
    until(lambda: recv(victim) == "ECONNRESET", "it is reset")
    assert send(victim, b"x") == "EPIPE"
    assert recv(victim) == "EOF"
    other.settimeout(0.2)
    assert recv(other) == "nothing", "it does not know"
    other.settimeout(10)
    assert send(other, b"2") == "ok"
    assert recv(other) == "ECONNRESET", "the victim's kernel has answered, and that is passed on"

    closed = talk.wait("flow-closed")
    assert closed[f"from_{leg}"] == 0, "what was rejected was lost"
    rejected = talk.wait("segments-rejected")
    assert (rejected["leg"], rejected["refused"]) == (leg, 0)
    assert rejected["answered"] >= 1
    evidence = talk.wait("loss-evidence")
    assert (evidence["losses"], evidence["verdict"]) == (["all from rejected"], "effective")


@pytest.mark.real("tshark")
def test_on_the_wire_it_is_a_bare_rst_with_the_number_that_was_acknowledged(
    rig: Rig, connect: Connect, version: int, leg: str
) -> None:
    watched = rig.wall.addresses[f"{leg}-{version}"] if leg == "client" else rig.upstreams[version].sock.getsockname()
    with capturing(watched[1]) as capture:
        talk = connect(leg, version)
        victim, other = ends(talk, leg)
        peer, proxy = ports(rig, talk, leg, version)
        assert send(other, b"1") == "ok"
        assert recv(victim) == b"1"
        talk.wait("loss-set")
        capture.mark()
        struck = time.time()
        assert send(victim, b"lost") == "ok"
        until(lambda: recv(victim) == "ECONNRESET", "it is reset")
        packets = of_leg(capture, (peer, proxy), struck)
    sent = [packet for packet in packets if packet.source == peer]
    answers = [packet for packet in packets if packet.source == proxy]
    assert told(packets[:2], peer)[0] == "C[P.]"
    assert {packet.seq for packet in sent} == {sent[0].seq}, "nothing, or on a busy machine the same once more"
    assert 1 <= len(answers) <= len(sent)
    assert {(a.flags, a.seq, a.ack, a.window, a.length, a.ttl) for a in answers} == {
        (RST, sent[0].ack, 0, 0, 0, sent[0].ttl)
    }, "bare, and no ACK of what was sent"
