"""Firewalls of Linux that forget, against the policies that are named after them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.groundtruth.network import CLIENT, PORT, SERVER, Host, Network
from tests.groundtruth.scenes import Real, compare
from tests.groundtruth.segments import RST, Wiretap
from tests.relay.peers import until
from tests.sockets.calls import QUIET

pytestmark = pytest.mark.root

IDLE = 4
"""Seconds: more than a busy machine takes between two calls."""


def firewall(network: Network, rest: str) -> None:
    """Make the router a firewall: flows begin with a SYN, and what becomes of the rest is said."""
    begins = "ct state new tcp flags & (syn | ack) == syn accept"
    network.router.nft("filter", "forward", "ct state established,related accept", begins, rest, policy="drop")
    network.router.set("netfilter/nf_conntrack_tcp_loose", 0)
    network.router.set("netfilter/nf_conntrack_tcp_timeout_established", IDLE)


def forgotten(network: Network) -> None:
    """Wait until the firewall knows no flow: without one it would not have let the answer through."""
    until(lambda: CLIENT not in network.router.tracked(), "the firewall has forgotten")


def test_what_was_idle_is_dropped_and_new_connections_come_through(network: Network) -> None:
    firewall(network, "drop")
    compare("fw-idle-drop", Real(network, lambda: forgotten(network)))
    with network.server.listen(SERVER), network.client.socket() as sock:
        sock.connect((SERVER, PORT))


def test_what_was_idle_is_rejected(network: Network, wiretap: Callable[[Host], Wiretap]) -> None:
    """The difference is on the wire: the firewall is nearer than the server is, and its RST tells that."""
    firewall(network, "reject with tcp reset")
    wires = wiretap(network.client)
    compare("fw-idle-reject", Real(network, lambda: forgotten(network)))
    came = [each for each in wires.segments(QUIET) if each.source == (SERVER, PORT)]
    assert {each.ttl for each in came if each.flags & RST} == {64}
    assert {each.ttl for each in came if not each.flags & RST} == {63}
