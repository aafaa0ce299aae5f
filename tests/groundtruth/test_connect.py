"""Servers that cannot be reached, against the policies for connecting."""

from __future__ import annotations

import errno

import pytest
from tests.groundtruth.network import NEAR, PORT, SERVER, Network
from tests.groundtruth.scenes import Real, compare
from tests.relay.peers import until

from bustedwall.kernel.answers import Answered
from bustedwall.kernel.icmp import Router
from bustedwall.kernel.loss import lose_arriving
from bustedwall.kernel.sockets import connected
from bustedwall.terms.unreachable import Unreachable

pytestmark = pytest.mark.root


def test_a_firewall_that_drops(network: Network) -> None:
    network.router.nft("filter", "forward", "tcp dport 80 drop")
    compare("connect-blackhole", Real(network))


def test_a_host_that_is_down(network: Network) -> None:
    """A client that has a limit does not hear what the router says of it."""
    network.server.ip("link set eth0 down")
    compare("connect-blackhole", Real(network))


@pytest.mark.long("three seconds, in which nobody answers ARP")
def test_a_client_without_a_limit_hears_of_a_host_that_is_down(network: Network) -> None:
    """The difference: the last router knows that nobody answers its ARP, and says so."""
    network.server.ip("link set eth0 down")
    with network.client.socket() as sock:
        assert sock.connect_ex((SERVER, PORT)) == errno.EHOSTUNREACH


def test_nobody_listens(network: Network) -> None:
    """The server's own kernel answers."""
    real = Real(network)
    real.listener.close()
    compare("connect-refused", real, server=[])


def test_a_firewall_that_resets(network: Network) -> None:
    network.router.nft("filter", "forward", "tcp dport 80 reject with tcp reset")
    compare("connect-refused", Real(network))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("port-unreachable", "ECONNREFUSED"),
        ("host-unreachable", "EHOSTUNREACH"),
        ("host-prohibited", "EHOSTUNREACH"),
        ("admin-prohibited", "EHOSTUNREACH"),
        ("net-unreachable", "ENETUNREACH"),
        ("net-prohibited", "ENETUNREACH"),
    ],
)
def test_a_firewall_that_rejects_with_icmp(network: Network, kind: str, expected: str) -> None:
    network.router.nft("filter", "forward", f"tcp dport 80 reject with icmp type {kind}")
    with network.client.socket() as sock:
        assert errno.errorcode[sock.connect_ex((SERVER, PORT))] == expected


def test_a_firewall_that_rejects_with_icmp_and_the_policy(network: Network) -> None:
    network.router.nft("filter", "forward", "tcp dport 80 reject with icmp type host-unreachable")
    compare("connect-unreachable", Real(network))


def test_a_router_answers_for_its_own_door_and_not_for_what_it_passes_on(network: Network) -> None:
    """A proxy on a host that forwards, as one with containers does, at the same port on all of its addresses."""
    with network.router.listen("0.0.0.0") as door, network.server.listen(SERVER):
        lose_arriving(door, lost=True)
        router = network.router.inside(lambda: Router(door, Unreachable.HOST))
        with network.client.socket() as passing, network.client.socket() as meant:
            passing.settimeout(10)
            assert passing.connect_ex((SERVER, PORT)) == 0, "to the server behind it"
            assert network.router.inside(router.answer) == Answered(0, 0, more=False)
            meant.setblocking(False)  # noqa: FBT003 (its only argument)
            assert meant.connect_ex((NEAR, PORT)) == errno.EINPROGRESS
            until(lambda: network.router.inside(router.answer).answered, "it is answered")
            assert until(lambda: connected(meant), "it has heard of it") == errno.EHOSTUNREACH
        router.close()
