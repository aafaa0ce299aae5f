"""Paths that lose, forget and forge, against the policies that are named after them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.groundtruth.network import CLIENT, PORT, SERVER, Host, Network
from tests.groundtruth.scenes import Calls, Real, compare, replaced, symptom_of
from tests.groundtruth.segments import ACK, RST, Segment, Wiretap
from tests.relay.peers import HANG
from tests.sockets.calls import QUIET

pytestmark = pytest.mark.root

VIP = "203.0.113.1"
"""An address of the router, behind which is the server."""

SOME = 1000
"""Bytes of the answer that come through for certain, where not all of it does."""


def losing_the_rest(network: Network, how: str = "drop") -> None:
    """Let the first segment of the answer through and lose the others, as congestion does."""
    network.router.set("netfilter/nf_conntrack_acct", 1)
    network.router.nft("filter", "forward", f"ct reply bytes > 2000 tcp sport {PORT} meta length > 200 {how}")


def balancing(network: Network) -> None:
    """Make the router a load balancer that translates its own address to the server's."""
    network.router.ip(f"addr add {VIP}/32 dev lo")
    network.router.set("netfilter/nf_conntrack_tcp_loose", 0)
    network.router.nft("nat", "prerouting", f"ip daddr {VIP} tcp dport {PORT} dnat to {SERVER}")


# ---- lost state


def test_a_load_balancer_without_its_state(network: Network) -> None:
    balancing(network)
    compare("lb-failover-rst", Real(network, network.router.forget, address=(VIP, PORT)))


def test_a_segment_that_conntrack_calls_invalid(network: Network, wiretap: Callable[[Host], Wiretap]) -> None:
    """It comes to the client with the pod's own address, which is not shown, and the client's kernel resets that."""
    balancing(network)
    losing_the_rest(network)
    pod, client = wiretap(network.server), wiretap(network.client)

    def leak() -> None:
        sent = next(each for each in pod.segments(HANG) if each.source[0] == SERVER and each.payload)
        pod.send(replace(sent, seq=(sent.seq + (1 << 30)) % (1 << 32), flags=ACK, payload=b"x"))

    compare("k8s-conntrack-invalid", Real(network, leak, address=(VIP, PORT), long=True))
    strangers = [each for each in client.segments(QUIET) if SERVER in (each.source[0], each.target[0])]
    assert [each.payload or each.flags for each in strangers] == [b"x", RST]


# ---- forged segments


def kill(wiretap: Wiretap) -> None:
    """Reset both ends of a flow as soon as some of the answer has arrived, as tcpkill does."""
    begin, expected = 0, dict[str, Segment]()
    for seen in wiretap.segments(HANG):
        expected[seen.source[0]] = seen
        if seen.source[0] == SERVER:
            begin = begin or seen.seq
        elif begin and seen.ack - begin > SOME:
            break
    for seen in expected.values():
        wiretap.send(Segment(seen.target, seen.source, seen.ack, 0, RST))


def test_a_box_that_resets_both(network: Network, wiretap: Callable[[Host], Wiretap]) -> None:
    losing_the_rest(network)
    box = threading.Thread(target=kill, args=(wiretap(network.router),), daemon=True)
    box.start()
    try:
        compare("firewall-rst", Real(network, long=True))
    finally:
        box.join(2 * HANG)


def test_a_rule_that_resets_reaches_the_sender_alone(network: Network) -> None:
    """The difference: of a rule of nftables the client, who has sent nothing, hears nothing."""
    losing_the_rest(network, "reject with tcp reset")
    client: Calls = [{"connect": "ok"}, {"send": "ok"}, {"recv": "part"}, {"recv": "waits"}]
    symptom = symptom_of("firewall-rst")
    assert symptom.client != client
    assert Real(network, long=True).play(replaced(symptom, client), symptom.server) == (client, symptom.server)


# ---- lost segments


def test_a_cable_that_is_pulled(network: Network) -> None:
    losing_the_rest(network)
    compare("cable-pull", Real(network, lambda: network.router.ip("link set client down"), long=True))


@pytest.mark.long("five seconds, in which nobody answers ARP")
def test_a_cable_that_is_pulled_behind_a_router(network: Network) -> None:
    """The difference: the router says that the host cannot be reached, and that is what the client gets in the end."""
    losing_the_rest(network)
    symptom = symptom_of("cable-pull")
    client: Calls = [{"recv": "EHOSTUNREACH"} if each == {"recv": "ETIMEDOUT"} else each for each in symptom.client]
    assert client != symptom.client
    # Longer than the router takes to find out.
    given = symptom.given.model_copy(update={"tcp_user_timeout": 5.0})
    patient = replaced(symptom, client).model_copy(update={"given": given})
    real = Real(network, lambda: network.server.ip("link set eth0 down"), long=True)
    assert real.play(patient, symptom.server) == (client, symptom.server)


@pytest.mark.parametrize("told", [False, True], ids=["silent", "told"])
def test_a_path_that_takes_short_packets_only(network: Network, *, told: bool) -> None:
    for address, name in ((CLIENT, "client"), (SERVER, "server")):
        network.router.ip(f"route add {address}/32 dev {name} mtu lock 1400")
    if told:
        # With the ICMP that says so the same programs do not notice.
        client: Calls = [{"connect": "ok"}, {"send": "ok"}, {"recv": "rest"}]
        server: Calls = [{"recv": "data"}, {"send": "ok"}]
        assert Real(network, long=True).play(replaced(symptom_of("pmtu-blackhole"), client), server) == (client, server)
    else:
        network.router.nft("filter", "output", "icmp type destination-unreachable icmp code frag-needed drop")
        compare("pmtu-blackhole", Real(network, long=True))
