"""Which packets a packet socket keeps: its program, run here on packets made by hand, and the kernel's ring.

That the kernel runs it in the same way is shown on sockets, where there is the privilege for it.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.capture.packets import TCP, UDP, between, tcp, v4, v6
from tests.kernel import machine
from tests.kernel.machine import within
from tests.relay.peers import until

from bustedwall.kernel import packets as module
from bustedwall.kernel.packets import Ring, program
from bustedwall.terms.packet import Packet

SNAPLEN = 128
PORTS = (8080, 8081)

PROTOCOL, PACKET_TYPE, DEVICE_TYPE = (0xFFFFF000 + at for at in (0, 4, 28))
IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806
HOST, OTHERHOST, OUTGOING = 0, 3, 4
ETHERNET, LOOPBACK = 1, 772


@dataclass(frozen=True)
class Seen:
    """A packet, and what the kernel says of it: linux/if_packet.h, linux/if_arp.h."""

    data: bytes
    protocol: int
    kind: int = HOST
    device: int = ETHERNET


def kept(packet: Seen) -> int:
    """Return how many bytes of a packet the program keeps."""
    told = {PROTOCOL: packet.protocol, PACKET_TYPE: packet.kind, DEVICE_TYPE: packet.device}
    load = within(packet.data)
    return machine.run(PROGRAM, lambda at, size: told[at] if at in told else load(at, size))


PROGRAM = program(PORTS, SNAPLEN)

LOCAL4, LOCAL6 = "127.0.0.1", "::1"


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("options", [0, 3, 10])
def test_what_goes_to_a_port_or_comes_from_it_is_kept(port: int, swapped: bool, options: int) -> None:  # noqa: FBT001 (a parameter of the test)
    ends = [("192.0.2.1", 40000), ("192.0.2.2", port)]
    one, other = reversed(ends) if swapped else ends
    assert kept(Seen(between(one, other, options=options), IPV4)) == SNAPLEN
    six = [(f"2001:db8::{at}", port) for at, (_, port) in enumerate((one, other))]
    assert kept(Seen(between(*six, routing=8 * options), IPV6)) == SNAPLEN


NOT_OURS = {
    "other ports": Seen(between((LOCAL4, 8082), (LOCAL4, 80)), IPV4),
    "other ports of IPv6": Seen(between((LOCAL6, 8082), (LOCAL6, 80)), IPV6),
    "other ports behind a routing header": Seen(between((LOCAL6, 8082), (LOCAL6, 80), routing=24), IPV6),
    "UDP": Seen(v4(LOCAL4, LOCAL4, tcp(*PORTS), protocol=UDP), IPV4),
    "UDP of IPv6": Seen(v6(LOCAL6, LOCAL6, tcp(*PORTS), protocol=UDP), IPV6),
    "UDP behind a routing header": Seen(v6(LOCAL6, LOCAL6, tcp(*PORTS), protocol=UDP, routing=24), IPV6),
    "the rest of a packet that was cut": Seen(v4(LOCAL4, LOCAL4, tcp(*PORTS), fragment=185), IPV4),
    "what is for another machine": Seen(between((LOCAL4, 1), (LOCAL4, PORTS[0])), IPV4, OTHERHOST),
    "what leaves on loopback and comes back": Seen(between((LOCAL4, 1), (LOCAL4, PORTS[0])), IPV4, OUTGOING, LOOPBACK),
    "no IP": Seen(between((LOCAL4, 1), (LOCAL4, PORTS[0])), ARP),
    "nothing": Seen(b"", IPV4),
    "a part of a header": Seen(between((LOCAL4, 1), (LOCAL4, PORTS[0]))[:21], IPV4),
}


@pytest.mark.parametrize("name", NOT_OURS)
def test_what_is_not_kept(name: str) -> None:
    assert kept(NOT_OURS[name]) == 0


def test_what_is_nearly_the_same_is_kept() -> None:
    data = between((LOCAL4, 1), (LOCAL4, PORTS[0]))
    assert kept(Seen(data, IPV4, OUTGOING)) == SNAPLEN, "leaving through a real interface"
    assert kept(Seen(data, IPV4, HOST, LOOPBACK)) == SNAPLEN, "arriving on loopback"
    whole_but_may_be_cut = v4(LOCAL4, LOCAL4, tcp(*PORTS), fragment=0x4000, protocol=TCP)
    assert kept(Seen(whole_but_may_be_cut, IPV4)) == SNAPLEN, "don't fragment is no offset"


# ---- the kernel's ring


@pytest.fixture
def talk() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection over loopback."""
    with (
        socket.create_server(("127.0.0.1", 0)) as door,
        socket.create_connection(door.getsockname()) as client,
        door.accept()[0] as server,
    ):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield client, server


def read(ring: Ring) -> list[Packet]:
    select.select([ring], [], [], 10)
    return [packet for block in ring.read() for packet in block]


@pytest.mark.root("CAP_NET_RAW")
def test_what_comes_by_is_handed_out_once_and_in_order(talk: tuple[socket.socket, socket.socket]) -> None:
    client, server = talk
    ring = Ring([server.getsockname()[1]], SNAPLEN)
    got: list[Packet] = []
    for number in range(300):
        client.sendall(bytes([number % 256]) * 200)
        server.recv(1000)

    def data() -> list[Packet]:
        got.extend(read(ring))
        found = [packet for packet in got if packet.length > 200]
        return found if len(found) >= 300 else []

    found = until(data, "all have been handed out")
    assert [packet.data[-1] for packet in found] == [number % 256 for number in range(300)]
    assert {len(packet.data) for packet in found} == {SNAPLEN}
    assert [packet.stamp for packet in found] == sorted({packet.stamp for packet in found})
    assert {packet.device for packet in found} == {socket.if_nametoindex("lo")}
    assert ring.lost() == 0
    ring.close()


@pytest.mark.root("CAP_NET_RAW")
def test_what_finds_no_room_is_counted_and_what_comes_later_is_there(
    talk: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCKS", 2)
    monkeypatch.setattr(module, "_BLOCK", 1 << 12)
    client, server = talk
    ring = Ring([server.getsockname()[1]], SNAPLEN)
    for _ in range(200):
        client.sendall(bytes(100))
        server.recv(1000)
    found = [packet for packet in read(ring) if packet.length > 100]
    assert 0 < len(found) < 200
    assert ring.lost() >= 200 - len(found) > 0
    lost = ring.lost()
    assert ring.lost() == lost, "it is all of them so far"
    client.sendall(b"x" * 300)
    until(lambda: [packet for packet in read(ring) if packet.length > 300], "a later one")
    ring.close()


@pytest.mark.root("CAP_NET_RAW")
def test_nothing_from_before_it_was_opened_is_in_it(talk: tuple[socket.socket, socket.socket]) -> None:
    client, server = talk
    client.sendall(b"x" * 300)
    server.recv(1000)
    ring = Ring([server.getsockname()[1]], SNAPLEN)
    client.sendall(b"y" * 200)
    assert [packet.data[-1:] for packet in read(ring) if packet.length > 200] == [b"y"]
    ring.close()
