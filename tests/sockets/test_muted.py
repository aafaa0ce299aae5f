"""`drop: acks to` with `hold: false`: our bare ACKs are lost, and our data arrives, as tshark shows. It needs root."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import LOCALHOST, abort, acknowledged, dial, read_exactly, send, until
from tests.relay.rig import Door, Rig, Talk, Wall, policy, running
from tests.sockets.calls import info
from tests.sockets.capture import ACK, FIN, RST, SYN, capturing

pytestmark = [pytest.mark.root("CAP_NET_ADMIN")]

LOST: dict[str, object] = {"what": "acks", "to": "client", "hold": False}
MUCH = bytes(range(250)) * 800


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    steps: dict[str, list[object]] = {
        "for-good": [{"drop": LOST}],
        "healed": [{"drop": LOST}, {"wait": {"bytes": "3B", "from": "server"}}, "heal"],
    }
    with running(folder, {"plain": (), **{name: [policy(folder, name, each)] for name, each in steps.items()}}) as rig:
        yield rig


def armed(talk: Talk) -> Talk:
    assert talk.wait("loss-set")["error"] is None
    return talk


def bare(flags: int, length: int) -> bool:
    return bool(flags & ACK) and not flags & (SYN | FIN | RST) and not length


@pytest.mark.real("tshark")
def test_the_client_sends_again_what_was_received_and_gets_what_we_send(
    rig: Rig, connect: Connect, version: int
) -> None:
    with capturing(rig.wall.addresses[f"for-good-{version}"][1]) as capture:
        talk = armed(connect("for-good", version))
        assert talk.server is not None
        client, proxy = talk.ports
        capture.mark()
        assert send(talk.client, b"request") == "ok"
        assert read_exactly(talk.server, 7) == b"request"
        until(lambda: info(talk.client).total_retrans >= 2, "it is sent again and again")
        before = capture.packets()
        assert send(talk.server, MUCH) == "ok"
        assert read_exactly(talk.client, len(MUCH)) == MUCH
        acknowledged(talk.client)
    asked = [packet for packet in before if packet.source == client and packet.length]
    assert len(asked) >= 3
    assert {packet.seq for packet in asked} == {asked[0].seq}
    ours = [packet for packet in before if packet.source == proxy and packet.time > asked[0].time]
    assert not ours, "not one ACK leaves"


@pytest.mark.real("tshark")
def test_a_flow_beside_it_has_its_acks_and_so_has_this_one_when_it_is_healed(connect: Connect, version: int) -> None:
    talk = armed(connect("healed", version))
    other = connect("plain", version)
    assert talk.server is not None
    assert other.server is not None
    assert send(other.client, b"request") == "ok"
    assert read_exactly(other.server, 7) == b"request"
    acknowledged(other.client)
    assert send(talk.server, b"end") == "ok"
    assert len(talk.wait("loss-set", 2)["losses"]) == 0
    with capturing(talk.ports[0]) as capture:
        assert send(talk.client, b"request") == "ok"
        assert read_exactly(talk.server, 7) == b"request"
        acknowledged(talk.client)
        packets = capture.packets()
    assert any(bare(packet.flags, packet.length) and packet.source == talk.ports[1] for packet in packets)


def test_of_two_processes_neither_disturbs_the_other(tmp_path: Path, rig: Rig, connect: Connect) -> None:
    (tmp_path / "other").mkdir()
    use = policy(tmp_path, "muted", [{"drop": LOST}])
    upstream = rig.upstreams[4]
    wall = Wall(tmp_path / "other", [Door("muted", upstream.address, [use])], "--quiet")
    talk = armed(connect("for-good", 4))
    theirs = armed(Talk(wall, "muted", dial(wall.addresses["muted"]), upstream.accept()))
    for each in (talk, theirs):
        assert send(each.client, b"request") == "ok"
    for each in (talk, theirs):
        until(lambda each=each: info(each.client).total_retrans >= 1, "its ACKs are lost")
    assert wall.stop() == 0
    after = info(talk.client).total_retrans
    until(lambda: info(talk.client).total_retrans > after, "they still are, when the other process is gone")
    abort(talk.client)
    evidence = talk.wait("loss-evidence")
    assert (evidence["verdict"], evidence["losses"]) == ("effective", ["acks to"])
    plain = connect("plain", 4)
    assert plain.server is not None
    assert send(plain.client, b"request") == "ok"
    assert read_exactly(plain.server, 7) == b"request"
    acknowledged(plain.client)


def test_an_ipv4_client_at_an_ipv6_door_loses_its_acks_too(tmp_path: Path, rig: Rig) -> None:
    use = policy(tmp_path, "muted", [{"drop": LOST}])
    upstream = rig.upstreams[4]
    wall = Wall(tmp_path, [Door("muted", upstream.address, [use], "[::]:0")], "--quiet")
    client = socket.create_connection((LOCALHOST[4], wall.addresses["muted"][1]))
    server = upstream.accept()
    with client, server:
        assert wall.fact("loss-set")["error"] is None
        assert send(client, b"request") == "ok"
        assert read_exactly(server, 7) == b"request"
        until(lambda: info(client).total_retrans >= 1, "it is sent again")
        assert send(server, b"answer") == "ok"
        assert read_exactly(client, 6) == b"answer"
    assert wall.stop() == 0
