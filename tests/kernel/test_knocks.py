"""What a filter on a listener loses: whose SYNs, and what ends whose handshakes.

First its program, run here; then the kernel's own sockets, where there is the privilege. That a segment in
SYN_RECV with the right ACK ends the handshake, whatever else it carries, is RFC 9293 §3.10.7.4.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kernel import machine
from tests.kernel.pairs import door, target
from tests.relay.peers import HANG, recv, send, until

from bustedwall.kernel.evidence import snapshot
from bustedwall.kernel.knocks import compiled, let_go, lose_none, lose_some
from bustedwall.kernel.loss import dropped
from bustedwall.terms.door import Ignored, Knock
from bustedwall.terms.networks import Network

FIN, SYN, RST, ACK = 1, 2, 4, 16
NETWORK = 0xFFF00000

ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6), st.sampled_from([ip_address("10.1.2.3")]))
NETWORKS = st.builds(
    lambda address, part: ip_network((address, int(part * address.max_prefixlen)), strict=False),
    ADDRESSES,
    st.floats(0, 1),
)
IGNORED = st.frozensets(st.builds(Ignored, st.sampled_from(list(Knock)), st.lists(NETWORKS, max_size=4).map(tuple)))


def header(sender: str) -> bytes:
    """Return the IP header of a packet from an address."""
    address = ip_address(sender)
    if address.version == 4:
        return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 6, 0, address.packed, bytes(4))
    return struct.pack("!IHBB16s16s", 6 << 28, 20, 6, 64, address.packed, bytes(16))


def kept(program: bytes, sender: str, flags: int) -> bool:
    """Run a program on a segment as the kernel does (linux/bpf_common.h)."""
    tcp, ip = struct.pack("!HHIIBBHHH", 1, 2, 3, 4, 5 << 4, flags, 512, 0, 0), header(sender)

    def load(at: int, size: int) -> int:
        data, start = (ip, at - NETWORK) if at >= NETWORK else (tcp, at)
        assert start + size <= len(data), "beyond the packet"
        return int.from_bytes(data[start : start + size])

    return bool(machine.run(program, load))


def meant(ignored: Ignored, sender: str, flags: int) -> bool:
    """Tell whether a segment is meant, by the words that describe it."""
    which = bool(flags & SYN) if ignored.what is Knock.SYN else not flags & (SYN | RST)
    return which and (not ignored.clients or any(ip_address(sender) in network for network in ignored.clients))


@given(
    ignored=IGNORED, sender=ADDRESSES.map(str), flags=st.sampled_from([SYN, ACK, ACK | FIN, ACK | 8, RST, RST | ACK])
)
def test_what_is_lost_is_what_any_of_them_means(ignored: frozenset[Ignored], sender: str, flags: int) -> None:
    assert kept(compiled(ignored), sender, flags) is not any(meant(each, sender, flags) for each in ignored)


@given(network=NETWORKS, draw=st.floats(0, 1, exclude_max=True))
def test_each_address_of_a_range_is_in_it_and_its_neighbours_are_not(network: Network, draw: float) -> None:
    program = compiled({Ignored(Knock.SYN, (network,))})
    first, last = int(network.network_address), int(network.broadcast_address)
    family = type(network.network_address)
    for inside in (first, last, first + int(draw * (last - first))):
        assert not kept(program, str(family(inside)), SYN)
    for outside in (first - 1, last + 1):
        if 0 <= outside < 1 << network.max_prefixlen:
            assert kept(program, str(family(outside)), SYN)


def test_sixty_four_ranges_are_few_enough_for_a_filter() -> None:
    ranges = tuple(ip_network(f"2001:db8:0:{number:x}:1:2:3:4") for number in range(64))
    # The kernel takes 4096 instructions, BPF_MAXINSNS.
    assert len(compiled({Ignored(what, ranges) for what in Knock})) // 8 <= 4096


# ---- on sockets

CASES = {
    "IPv4": ("IPv4", "IPv4", "127.0.0.0/8"),
    "IPv6": ("IPv6", "IPv6", "::1"),
    "IPv4 at [::]": ("mapped", "IPv4", "127.0.0.0/8"),
    "IPv6 at [::]": ("mapped", "IPv6", "::1"),
}
"""What the listener is, what the client is, a range with the client in it."""

Place = tuple[socket.socket, tuple[str, int], tuple[Network, ...]]


@pytest.fixture(params=CASES)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A listener that does not block, where its client connects, and its client's range."""
    kind, client, clients = CASES[request.param]
    with door(kind) as listener:
        listener.settimeout(0)
        yield listener, target(listener, client), (ip_network(clients),)


def knock(where: tuple[str, int]) -> socket.socket:
    """Begin to connect."""
    sock = socket.socket(socket.AF_INET6 if ":" in where[0] else socket.AF_INET)
    sock.settimeout(0)
    assert sock.connect_ex(where) == errno.EINPROGRESS
    return sock


def comes(listener: socket.socket, seconds: float = HANG) -> bool:
    return bool(select.select([listener], [], [], seconds)[0])


@pytest.mark.root("CAP_NET_ADMIN")
def test_the_syn_of_a_client_that_is_meant_is_lost_and_that_of_another_is_not(place: Place) -> None:
    listener, where, clients = place
    lose_some(listener, {Ignored(Knock.SYN, clients)})
    with knock(where) as client:
        until(lambda: dropped(listener), "its SYN is lost")
        assert snapshot(client).state == "syn-sent"
    lose_some(listener, {Ignored(Knock.SYN, (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")))})
    with socket.create_connection(where, HANG):
        assert comes(listener)


@pytest.mark.root("CAP_NET_ADMIN")
@pytest.mark.parametrize("everybody", [True, False])
def test_without_its_last_ack_a_client_is_connected_and_nobody_comes(place: Place, everybody: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    listener, where, clients = place
    lose_some(listener, {Ignored(Knock.LAST_ACK, () if everybody else clients)})
    with socket.create_connection(where, HANG) as client:
        assert snapshot(client).state == "established"
        until(lambda: dropped(listener) >= 1, "its last ACK is lost")
        assert send(client, b"is anybody there?") == "ok"
        until(lambda: dropped(listener) >= 3, "its data is lost, and comes again")
        assert not comes(listener, 0)
        lose_none(listener)
        assert comes(listener)
        inside, _ = listener.accept()
        with inside:
            inside.settimeout(HANG)
            assert recv(inside) == b"is anybody there?"


@pytest.mark.root("CAP_NET_ADMIN")
def test_who_comes_while_there_is_a_filter_has_it_and_can_be_freed_of_it(place: Place) -> None:
    listener, where, _ = place
    lose_some(listener, {Ignored(Knock.SYN, (ip_network("10.0.0.0/8"),))})
    with socket.create_connection(where, HANG) as client:
        assert comes(listener)
        inside, _ = listener.accept()
        with inside:
            inside.settimeout(HANG)
            lose_none(inside)  # raises where there is none
            let_go(inside)
            assert send(client, b"hello") == "ok"
            assert recv(inside) == b"hello"
