"""What is on the wire, seen by tshark: it needs root."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import abort, read_all, read_exactly, recv, send, until
from tests.relay.rig import Rig, Talk, policy, running
from tests.sockets.capture import ACK, FIN, RST, SYN, Packet, capturing

pytestmark = [pytest.mark.root, pytest.mark.real("tshark")]

PARAMETER_PROBLEM = 12


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    after = {"bytes": "1000B", "from": "server"}
    uses: dict[str, list[object]] = {
        "plain": [],
        "reset": [policy(folder, "reset", [{"reset": {"leg": "client", "flush": True}}], after)],
        "from": [policy(folder, "from", [{"drop": "all from client"}])],
        "to": [policy(folder, "to", [{"drop": "all to client"}])],
        "latency": [policy(folder, "latency", [{"latency": "300ms from client"}, {"latency": "300ms from server"}])],
        "gave-up": [{"gave-up-rst": {"give_up": "2s"}}],
    }
    with running(folder, uses) as rig:
        yield rig


def legs(talk: Talk, packets: list[Packet]) -> tuple[list[Packet], list[Packet]]:
    """Return the segments of this talk's client leg: to the proxy, and from it."""
    client, proxy = talk.ports
    tcp = [packet for packet in packets if packet.icmp is None]
    return (
        [packet for packet in tcp if (packet.source, packet.target) == (client, proxy)],
        [packet for packet in tcp if (packet.source, packet.target) == (proxy, client)],
    )


def test_flows_that_finish_show_no_rst_and_no_retransmission(rig: Rig, connect: Connect, version: int) -> None:
    with capturing(rig.wall.addresses[f"plain-{version}"][1]) as capture:
        for _ in range(5):
            talk = connect("plain", version)
            assert send(talk.client, b"x" * 1000) == "ok"
            assert len(read_exactly(talk.server, 1000)) == 1000
            assert send(talk.server, b"y" * 1000) == "ok"
            talk.server.close()
            assert len(read_all(talk.client)[0]) == 1000
            talk.client.close()
            talk.wait("flow-closed")
        packets = capture.packets()
    assert sum(packet.has(SYN | ACK) for packet in packets) == 5
    assert sum(packet.has(FIN) for packet in packets) == 10
    assert not [packet for packet in packets if packet.has(RST) or packet.repeated or packet.optioned]


def test_a_reset_is_one_rst_with_ack_and_no_fin(rig: Rig, connect: Connect, version: int) -> None:
    with capturing(rig.wall.addresses[f"reset-{version}"][1]) as capture:
        talk = connect("reset", version)
        assert send(talk.server, b"x" * 2000) == "ok"
        assert read_all(talk.client) == (b"x" * 1000, "ECONNRESET")
        _, from_proxy = legs(talk, capture.packets())
    assert sum(packet.length for packet in from_proxy) == 1000
    resets = [packet for packet in from_proxy if packet.has(RST)]
    assert len(resets) == 1
    assert resets[0].has(RST | ACK)
    assert resets[0] is from_proxy[-1]
    assert not [packet for packet in from_proxy if packet.has(FIN)]


def test_drop_from_client_its_segments_are_repeated_and_not_acknowledged(
    rig: Rig, connect: Connect, version: int
) -> None:
    with capturing(rig.wall.addresses[f"from-{version}"][1]) as capture:
        talk = connect("from", version)
        talk.wait("loss-set")
        assert send(talk.client, b"request") == "ok"
        until(lambda: sum(packet.repeated for packet in legs(talk, capture.packets())[0]) >= 2, "repeated twice")
        to_proxy, from_proxy = legs(talk, capture.packets())
    data = [packet for packet in to_proxy if packet.length]
    assert len(data) >= 3
    assert {(packet.seq, packet.length) for packet in data} == {(data[0].seq, 7)}
    assert all(packet.ack <= data[0].seq for packet in from_proxy if packet.has(ACK)), "not one byte is ACKed"
    assert not [packet for packet in from_proxy if packet.has(RST)]


def test_drop_to_client_our_segments_leave_and_die_in_the_next_stack(rig: Rig, connect: Connect, version: int) -> None:
    with capturing(rig.wall.addresses[f"to-{version}"][1]) as capture:
        talk = connect("to", version)
        talk.wait("loss-set")
        armed = time.time()
        assert send(talk.client, b"request") == "ok"
        assert read_exactly(talk.server, 7) == b"request"
        assert send(talk.server, b"answer") == "ok"
        until(lambda: sum(packet.repeated for packet in legs(talk, capture.packets())[0]) >= 2, "repeated twice")
        packets = capture.packets()
        to_proxy, from_proxy = legs(talk, packets)
    lost = [packet for packet in from_proxy if packet.time >= armed]
    assert lost
    assert all(packet.optioned for packet in lost)
    assert [packet for packet in lost if packet.length == 6], "the answer leaves"
    request = next(packet for packet in to_proxy if packet.length == 7)
    assert any(packet.ack == request.seq + 7 for packet in lost), "so does its ACK"
    talk.client.settimeout(0)
    with pytest.raises(BlockingIOError):
        talk.client.recv(1)
    if version == 4:
        assert [packet for packet in packets if packet.icmp == PARAMETER_PROBLEM]


def test_latency_shows_acks_at_once_and_no_retransmission(rig: Rig, connect: Connect, version: int) -> None:
    with capturing(rig.wall.addresses[f"latency-{version}"][1]) as capture:
        talk = connect("latency", version)
        talk.wait("fault-armed", 2)
        assert send(talk.client, b"request") == "ok"
        assert read_exactly(talk.server, 7) == b"request"
        assert send(talk.server, b"answer") == "ok"
        assert read_exactly(talk.client, 6) == b"answer"
        to_proxy, from_proxy = legs(talk, capture.packets())
    assert not [packet for packet in to_proxy + from_proxy if packet.repeated or packet.optioned]
    asked = next(packet for packet in to_proxy if packet.length)
    acked = next(packet for packet in from_proxy if packet.ack == asked.seq + 7)
    answered = next(packet for packet in from_proxy if packet.length)
    assert acked.length == 0, "the ACK does not wait for the answer"
    assert answered.time - asked.time >= 0.6


def test_who_gave_up_is_silent_and_then_sends_one_rst(rig: Rig, connect: Connect, version: int) -> None:
    with capturing(rig.wall.addresses[f"gave-up-{version}"][1]) as capture:
        talk = connect("gave-up", version)
        assert send(talk.server, b"x") == "ok"
        assert recv(talk.client) == b"x"
        talk.wait("loss-set")
        assert send(talk.client, b"request") == "ok"
        assert recv(talk.client) == "ECONNRESET"
        to_proxy, from_proxy = legs(talk, capture.packets())
    data = [packet for packet in to_proxy if packet.length]
    assert len(data) >= 3, "the client repeats itself meanwhile"
    after = [packet for packet in from_proxy if packet.time > data[0].time]
    assert [packet.has(RST | ACK) for packet in after] == [True], "nothing but the RST"
    assert after[0].ack == data[0].seq, "no byte of the request was ever ACKed"
    assert not after[0].has(FIN)


def test_a_rst_of_the_server_is_one_rst_to_the_client_and_no_fin(rig: Rig, connect: Connect, version: int) -> None:
    with capturing(rig.wall.addresses[f"plain-{version}"][1]) as capture:
        talk = connect("plain", version)
        abort(talk.server)
        assert recv(talk.client) == "ECONNRESET"
        _, from_proxy = legs(talk, capture.packets())
    assert [packet.has(RST | ACK) for packet in from_proxy if packet.has(RST)] == [True]
    assert not [packet for packet in from_proxy if packet.has(FIN)]
