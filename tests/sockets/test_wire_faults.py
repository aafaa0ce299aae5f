"""Every fault on the wire, seen by tshark: flags in order, retransmissions or none, windows. It needs root.

The orders are those of the research's tables of RST and FIN variants, of the connect phase, and of
zero windows; `C` is the peer, `S` the proxy, `.` an ACK. Pure ACKs are left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import fill, read_exactly, recv, send, until
from tests.relay.rig import Rig, Talk, policy, running
from tests.sockets.calls import play
from tests.sockets.capture import ACK, FIN, RST, SYN, Capture, Packet, capturing, told
from tests.sockets.doors import connected, house

pytestmark = [pytest.mark.root, pytest.mark.real("tshark")]

LEGS = ("client", "server")
OTHER = {"client": "server", "server": "client"}
WORDS = b"some words"

ENDINGS: dict[str, tuple[list[str], list[str]]] = {
    "reset": (["strike", "rst"], ["S[R.]"]),
    "close": (["strike", "recv: EOF", "send: ok", "rst"], ["S[F.]", "C[P.]", "S[R]"]),
    "close_unread": (["strike", "send: ok", "rst"], ["C[P.]", "S[R.]"]),
    "half_close": (["strike", "recv: EOF", "send: ok", "sent", "send: ok", "sent"], ["S[F.]", "C[P.]", "C[P.]"]),
    "vanish": (["strike", "send: ok", "rst"], ["S[R.]", "C[P.]", "S[R]"]),
}
"""What the peer does, and what is on the wire from the strike on."""

AT_ACCEPT: dict[str, tuple[list[str], list[str]]] = {
    "reset": (["rst"], ["C[S]", "S[S.]", "C[.]", "S[R.]"]),
    "close": (["recv: EOF"], ["C[S]", "S[S.]", "C[.]", "S[F.]"]),
    "half_close": (["recv: EOF"], ["C[S]", "S[S.]", "C[.]", "S[F.]"]),
    "vanish": (["recv: nothing"], ["C[S]", "S[S.]", "C[.]", "S[R.]"]),
}

HAPPENED = {"reset": "reset-sent", "close_unread": "fault-armed"}

STEPS: dict[str, object] = {
    "blackhole": {"blackhole": "client"},
    "acks": {"drop": "acks to client"},
    "write": {"drop": "next_write to client"},
    "hold": {"stall": "from client"},
    "zero-window": {"stall": {"how": "zero_window", "from": "client", "for": "3s"}},
    "bandwidth": {"bandwidth": "64KiB/s from server"},
    "slice": {"slice": {"size": "7B", "from": "server", "delay": "20ms"}},
    "jitter": {"latency": {"delay": "300ms", "from": "server", "jitter": "50ms"}},
    "corrupt": {"corrupt": "100% from server"},
    "discard": {"discard": "4B from server"},
    "duplicate": {"duplicate": "4B from server"},
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    uses: dict[str, list[object]] = {name: [policy(folder, name, [step])] for name, step in STEPS.items()}
    for fault in ENDINGS:
        for leg in LEGS:
            name = f"{fault}-{leg}".replace("_", "-")
            now = {"contains": "NOW", "from": OTHER[leg], "deliver": False}
            uses[name] = [policy(folder, name, [{fault: leg}], now)]
        name = f"accept-{fault}".replace("_", "-")
        uses[name] = [policy(folder, name, [{fault: "client"}], "accept")]
    for leg in LEGS:
        now = {"contains": "NOW", "from": OTHER[leg], "deliver": False}
        uses[f"ttl-{leg}"] = [policy(folder, f"ttl-{leg}", [{"reset": {"leg": leg, "ttl": 3, "other": "reset"}}], now)]
    with running(folder, uses) as rig:
        yield rig


def ports(rig: Rig, talk: Talk, leg: str, version: int) -> tuple[int, int]:
    """Return the port of a leg's peer, and of the proxy at the other end of it."""
    if leg == "client":
        return talk.ports
    assert talk.server is not None
    return rig.upstreams[version].sock.getsockname()[1], talk.server.getpeername()[1]


def of_leg(capture: Capture, both: tuple[int, int], since: float = 0.0) -> list[Packet]:
    """Return the segments of one connection, from a time on."""
    return [p for p in capture.packets() if {p.source, p.target} == set(both) and p.time >= since and p.icmp is None]


def repeats(packets: list[Packet]) -> int:
    """Return how many retransmissions there are."""
    return sum(packet.repeated for packet in packets)


def wait_for(look: Callable[[], list[Packet]], enough: Callable[[list[Packet]], bool]) -> list[Packet]:
    """Return packets as soon as they are enough."""
    return until(lambda: seen if enough(seen := look()) else None, "enough packets")


def from_proxy(packets: list[Packet], peer: int) -> list[Packet]:
    return [packet for packet in packets if packet.source != peer]


@pytest.mark.parametrize("leg", LEGS)
@pytest.mark.parametrize("fault", ENDINGS)
def test_an_ending(rig: Rig, connect: Connect, version: int, leg: str, fault: str) -> None:
    name = f"{fault}-{leg}".replace("_", "-")
    script, expected = ENDINGS[fault]
    watched = rig.wall.addresses[f"{name}-{version}"] if leg == "client" else rig.upstreams[version].sock.getsockname()
    with capturing(watched[1]) as capture:
        talk = connect(name, version)
        assert talk.server is not None
        victim, other = (talk.client, talk.server) if leg == "client" else (talk.server, talk.client)
        peer, proxy = ports(rig, talk, leg, version)
        capture.mark()
        struck = time.time()

        def strike() -> None:
            assert send(other, b"NOW") == "ok"
            talk.wait(HAPPENED.get(fault, "leg-closed"))

        assert play(victim, script, strike) == script
        packets = of_leg(capture, (peer, proxy), struck)
    assert told(packets, peer) == expected
    assert not [packet for packet in packets if packet.repeated]
    lost = [packet for packet in packets if packet.optioned]
    assert [packet.has(RST) for packet in lost] == ([True] if fault == "vanish" else [])


@pytest.mark.parametrize("leg", LEGS)
def test_a_reset_with_a_ttl_and_that_of_the_other_leg_without(
    rig: Rig, connect: Connect, version: int, leg: str
) -> None:
    client_side, server_side = rig.wall.addresses[f"ttl-{leg}-{version}"], rig.upstreams[version].sock.getsockname()
    with capturing(client_side[1], server_side[1]) as capture:
        talk = connect(f"ttl-{leg}", version)
        assert talk.server is not None
        other = talk.server if leg == "client" else talk.client
        pairs = {side: ports(rig, talk, side, version) for side in LEGS}
        assert send(other, b"NOW") == "ok"
        assert [recv(talk.client), recv(talk.server)] == ["ECONNRESET", "ECONNRESET"]
        seen = {side: of_leg(capture, pairs[side]) for side in LEGS}
    resets = {side: [(packet.ttl, packet.flags) for packet in seen[side] if packet.has(RST)] for side in LEGS}
    usual = {packet.ttl for packet in seen[leg] if not packet.has(RST)}
    assert resets[leg] == [(3, RST | ACK)]
    assert {ttl for ttl, _ in resets[OTHER[leg]]} == usual != {3}, "what is not asked for is as it was"


@pytest.mark.usefixtures("connect")
@pytest.mark.parametrize("fault", AT_ACCEPT)
def test_an_ending_right_after_the_handshake(rig: Rig, version: int, fault: str) -> None:
    name = f"accept-{fault}".replace("_", "-")
    script, expected = AT_ACCEPT[fault]
    with capturing(rig.wall.addresses[f"{name}-{version}"][1]) as capture:
        talk = rig.dial(name, version)
        talk.wait("fault-armed")
        assert play(talk.client, script, lambda: None) == script
        packets = of_leg(capture, talk.ports)
    assert told(packets, talk.ports[0]) == expected
    assert [packet.has(RST) for packet in packets if packet.optioned] == ([True] if fault == "vanish" else [])


def test_blackhole_the_peer_repeats_itself_and_hears_nothing(rig: Rig, connect: Connect, version: int) -> None:
    with capturing(rig.wall.addresses[f"blackhole-{version}"][1]) as capture:
        talk = connect("blackhole", version)
        talk.wait("loss-set")
        struck = time.time()
        assert send(talk.client, WORDS) == "ok"
        assert send(talk.server, WORDS) == "ok"
        client, proxy = talk.ports
        found = wait_for(lambda: of_leg(capture, (client, proxy), struck), lambda seen: repeats(seen) >= 4)
    theirs = [packet for packet in found if packet.source == client]
    assert len({packet.seq for packet in theirs if packet.length}) == 1
    assert all(packet.optioned for packet in from_proxy(found, client)), "what we send dies in the next stack"
    assert not [packet for packet in found if packet.has(RST) or packet.has(FIN)]
    gaps = [b.time - a.time for a, b in pairwise(theirs)]
    assert all(gap >= 0.1 for gap in gaps), "the first again after 0.2 s"


def test_acks_lost_the_peer_repeats_what_was_delivered(rig: Rig, connect: Connect, version: int) -> None:
    with capturing(rig.wall.addresses[f"acks-{version}"][1]) as capture:
        talk = connect("acks", version)
        talk.wait("loss-set")
        struck = time.time()
        assert send(talk.client, WORDS) == "ok"
        assert read_exactly(talk.server, len(WORDS)) == WORDS
        assert send(talk.server, b"held") == "ok"
        found = wait_for(lambda: of_leg(capture, talk.ports, struck), lambda seen: repeats(seen) >= 2)
    ours = from_proxy(found, talk.ports[0])
    assert ours
    assert all(packet.optioned and not packet.length for packet in ours), "pure ACKs, and all of them are lost"


def test_next_write_leaves_twice(rig: Rig, connect: Connect, version: int) -> None:
    with capturing(rig.wall.addresses[f"write-{version}"][1]) as capture:
        talk = connect("write", version)
        talk.wait("fault-armed")
        assert send(talk.server, WORDS) == "ok"
        assert read_exactly(talk.client, len(WORDS)) == WORDS
        found = of_leg(capture, talk.ports)
    data = [packet for packet in from_proxy(found, talk.ports[0]) if packet.length]
    assert [packet.optioned for packet in data] == [True, False]
    assert data[0].seq == data[1].seq
    assert data[1].repeated
    assert data[1].time - data[0].time >= 0.1


def test_hold_acknowledges_and_repeats_nothing(rig: Rig, connect: Connect, version: int) -> None:
    with capturing(rig.wall.addresses[f"hold-{version}"][1]) as capture:
        talk = connect("hold", version)
        talk.wait("fault-armed")
        script = ["send: ok", "sent", "recv: nothing", "send: ok", "sent"]
        assert play(talk.client, script, lambda: None) == script
        found = of_leg(capture, talk.ports)
    assert told(found, talk.ports[0]) == ["C[S]", "S[S.]", "C[.]", "C[P.]", "C[P.]"]
    assert not [packet for packet in found if packet.repeated or packet.window == 0]
    last = max(packet.seq + packet.length for packet in found if packet.source == talk.ports[0])
    assert found[-1].ack == last or any(packet.ack == last for packet in found)


def test_zero_window_is_announced_probed_and_opened(rig: Rig, connect: Connect, version: int) -> None:
    with capturing(rig.wall.addresses[f"zero-window-{version}"][1]) as capture:
        talk = connect("zero-window", version)
        talk.wait("fault-armed")
        sent = fill(talk.client)
        talk.wait("fault-ended")
        assert len(read_exactly(talk.server, sent)) == sent
        found = of_leg(capture, talk.ports)
    client = talk.ports[0]
    shut = [packet for packet in from_proxy(found, client) if packet.window == 0]
    assert len(shut) >= 3, "announced, and each probe is answered"
    first, last = shut[0].time, shut[-1].time
    probes = [packet for packet in found if packet.source == client and first < packet.time < last]
    assert len(probes) >= 2
    assert all(packet.length == 0 for packet in probes[1:]), "a probe has no byte"
    gaps = [b.time - a.time for a, b in pairwise(probes[1:])]
    assert all(later >= 1.5 * sooner for sooner, later in pairwise(gaps)), "they come more rarely"
    opened = next(p for p in from_proxy(found, client) if p.time > last and p.window > 0)
    assert opened.has(ACK)


@pytest.mark.parametrize("name", ["bandwidth", "slice", "jitter", "corrupt", "discard", "duplicate"])
def test_what_is_done_to_the_stream_does_not_show_in_tcp(rig: Rig, connect: Connect, version: int, name: str) -> None:
    length = {"discard": 31, "duplicate": 39}.get(name, 35)
    with capturing(rig.wall.addresses[f"{name}-{version}"][1]) as capture:
        talk = connect(name, version)
        talk.wait("fault-armed")
        assert send(talk.server, bytes(35)) == "ok"
        assert len(read_exactly(talk.client, length)) == length
        found = of_leg(capture, talk.ports)
    assert not [packet for packet in found if packet.repeated or packet.optioned or packet.has(RST)]
    data = [packet for packet in from_proxy(found, talk.ports[0]) if packet.length]
    assert sum(packet.length for packet in data) == length
    assert all(b.seq == a.seq + a.length for a, b in pairwise(data)), "no gap, nothing twice"
    if name == "slice":
        assert [packet.length for packet in data] == [7] * 5


# ---- the door


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("refuse", ["C[S]", "S[R.]"]),
        ({"ignore": {"first": 1}}, ["C[S]", "C[S]", "S[S.]", "C[.]"]),
        ("ignore", ["C[S]", "C[S]", "C[S]", "C[S]"]),
    ],
    ids=["refuse", "ignore-first", "ignore"],
)
def test_a_syn_at_the_door(tmp_path: Path, version: int, step: object, expected: list[str]) -> None:
    with house(tmp_path, version, [policy(tmp_path, "shut", [step], {"signal": "one"})]) as home:
        home.one()
        until(lambda: [f for f in home.wall.facts() if f["fact"] == "door-set"], "the door is set")
        with capturing(home.address[1]) as capture:
            sock, _ = home.knock_at_once()
            with sock:
                if step != "ignore":
                    connected(sock)
                port = sock.getsockname()[1] if step != "refuse" else None
                found = wait_for(
                    lambda: [packet for packet in capture.packets() if packet.icmp is None],
                    lambda seen: len(told(seen, home_peer(seen))) >= len(expected),
                )
        assert port in (None, home_peer(found))
    assert told(found, home_peer(found))[: len(expected)] == expected
    if expected.count("C[S]") > 1:
        syns = [packet for packet in found if packet.has(SYN) and not packet.has(ACK)]
        gaps = [b.time - a.time for a, b in pairwise(syns)]
        assert all(gap >= 0.9 for gap in gaps), "a SYN a second"


@pytest.mark.root("CAP_NET_RAW")
def test_a_syn_that_is_answered_by_icmp(tmp_path: Path, version: int) -> None:
    with house(tmp_path, version, [policy(tmp_path, "far", [{"unreachable": "host"}], {"signal": "one"})]) as home:
        home.one()
        home.set("unreachable")
        with capturing(home.address[1]) as capture:
            assert home.knock()[0] == "EHOSTUNREACH"
            found = wait_for(capture.packets, lambda seen: any(packet.icmp is not None for packet in seen))
    assert told([packet for packet in found if packet.icmp is None], home_peer(found)) == ["C[S]"], "nothing else"
    assert {packet.icmp for packet in found} - {None} == {3 if version == 4 else 1}


def home_peer(packets: list[Packet]) -> int:
    """Return the port of who speaks first."""
    return packets[0].source if packets else 0


def test_a_handshake_whose_end_is_lost(tmp_path: Path, version: int) -> None:
    step = {"ignore": {"what": "last_ack"}}
    with house(tmp_path, version, [policy(tmp_path, "acks", [step], {"signal": "one"})]) as home:
        home.one()
        home.set("ignore-some")
        with capturing(home.address[1]) as capture:
            client = home.dial().client
            here = client.getsockname()[1]
            assert send(client, WORDS) == "ok"
            found = wait_for(
                capture.packets,
                lambda seen: told(seen, here).count("S[S.]") >= 2 and sum(packet.repeated for packet in seen) >= 2,
            )
    assert told(found, here)[:4] == ["C[S]", "S[S.]", "C[.]", "C[P.]"]
    assert {packet.flags for packet in found if packet.source != here} == {SYN | ACK}, "no ACK answers the data"
    again = [packet.time for packet in found if packet.source != here]
    assert again[1] - again[0] >= 0.9, "after a second, RFC 6298 §2.1"
    assert len({packet.seq for packet in found if packet.length}) == 1, "its data is sent again and again"


def test_a_syn_of_who_is_not_meant_is_answered(tmp_path: Path, version: int) -> None:
    step = {"ignore": {"clients": ["127.0.0.2", "::2"]}}
    with house(tmp_path, version, [policy(tmp_path, "some", [step], {"signal": "one"})]) as home:
        home.one()
        home.set("ignore-some")
        with capturing(home.address[1]) as capture:
            here = home.dial().client.getsockname()[1]
            found = wait_for(capture.packets, lambda seen: len(told(seen, here)) >= 3)
    assert told(found, here)[:3] == ["C[S]", "S[S.]", "C[.]"]


def test_full_backlog_the_syns_of_the_others_are_not_answered(tmp_path: Path, version: int) -> None:
    with house(tmp_path, version, [policy(tmp_path, "full", ["backlog_full"], {"signal": "one"})]) as home:
        home.one()
        home.set("full")
        socks = []
        with capturing(home.address[1]) as capture:
            for _ in range(4):
                sock, _ = home.knock_at_once()
                socks.append(sock)
            last = socks[-1].getsockname()[1]
            found = wait_for(
                lambda: [packet for packet in capture.packets() if last in (packet.source, packet.target)],
                lambda seen: len(seen) >= 2,
            )
        for sock in socks:
            sock.close()
    assert told(found, last)[:2] == ["C[S]", "C[S]"]


def test_refuse_resets_who_waits(tmp_path: Path, version: int) -> None:
    policies = [
        policy(tmp_path, "full", ["backlog_full"], {"signal": "one"}),
        policy(tmp_path, "refusing", ["refuse"], {"signal": "two"}),
    ]
    with house(tmp_path, version, policies) as home:
        home.one()
        home.set("full")
        with capturing(home.address[1]) as capture:
            client = home.dial().client
            here = client.getsockname()[1]
            home.two()
            home.set("refuse")
            assert recv(client) == "ECONNRESET"
            found = [packet for packet in capture.packets() if here in (packet.source, packet.target)]
    assert told(found, here) == ["C[S]", "S[S.]", "C[.]", "S[R.]"]
