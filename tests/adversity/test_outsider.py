"""What somebody can do who reaches a port of the data plane and nothing else; docs/security.md has the list."""

from __future__ import annotations

import select
import socket
from pathlib import Path

import pytest
from tests.adversity.at_rest import assert_goes_on, assert_no_busy_loop, resident
from tests.relay.peers import (
    LOCALHOST,
    MIN_TTL,
    Upstream,
    abort,
    at,
    dial,
    fill,
    hang_up,
    read_exactly,
    recv,
    send,
    until,
)
from tests.relay.rig import Door, Fact, Rig, Talk, Wall, policy, running

pytestmark = pytest.mark.long("seconds, and hundreds of sockets")

MANY = 200
"""Of the outsider's connections; a process has 1,024 descriptors at least."""

HELD = 4 << 20
"""Bytes; more than a flow that holds nothing of a stage ever keeps in the process, four times over."""


def healthy_one(rig: Rig) -> Talk:
    talk = rig.connect("plain", 4)
    talk.wait("flow-opened")
    assert_goes_on(talk)
    return talk


def closed(wall: Wall) -> int:
    return sum(fact["fact"] == "flow-closed" for fact in wall.facts())


def named(wall: Wall, name: str) -> list[Fact]:
    return [fact for fact in wall.facts() if fact["fact"] == name]


def half_open(where: tuple[str, int]) -> socket.socket:
    """Send a SYN, and hear no SYN+ACK: what arrives from less than 255 hops' worth of TTL is discarded."""
    sock = socket.socket()
    sock.setsockopt(*MIN_TTL[4], 255)
    sock.setblocking(False)  # noqa: FBT003 (its only argument)
    sock.connect_ex(where)
    return sock


def test_half_open_connections_cost_the_kernel_and_not_us(tmp_path: Path) -> None:
    """The three-way handshake is the kernel's: who does not end it is never accepted."""
    with running(tmp_path, {"plain": []}) as rig:
        healthy, descriptors = healthy_one(rig), rig.wall.descriptors()
        pile = [half_open(rig.wall.addresses["plain-4"]) for _ in range(MANY)]
        try:
            assert not select.select([], pile, [], 0)[1], "none is connected"
            assert_goes_on(healthy)
            other = rig.connect("plain", 4)
            assert_goes_on(other)
            other.wait("flow-opened")
            assert len(named(rig.wall, "flow-accepted")) == 2
            assert len(rig.wall.descriptors()) == len(descriptors) + 2
        finally:
            for sock in pile:
                sock.close()


def test_a_flood_of_resets_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path, {"plain": []}) as rig:
        healthy, descriptors = healthy_one(rig), rig.wall.descriptors()
        for _ in range(2 * MANY):
            abort(dial(rig.wall.addresses["plain-4"]))
        assert_goes_on(healthy)
        # Whoever was reset before he was accepted never was: the kernel takes him out of the backlog, or not.
        until(lambda: closed(rig.wall) == len(named(rig.wall, "flow-accepted")) - 1, "all are closed but one")
        until(lambda: rig.wall.descriptors() == descriptors, "as many descriptors as before")
        assert_no_busy_loop(rig.wall.pid)


def test_who_says_nothing_has_a_seat_and_no_more(tmp_path: Path) -> None:
    """Those who are too many wait in the backlog, until one of the others has gone."""
    upstream = Upstream(4)
    wall = Wall(tmp_path, [Door("door", upstream.address, more={"limits": {"flows": 20}})], "--quiet")
    try:
        silent = [dial(wall.addresses["door"]) for _ in range(40)]
        servers = [upstream.accept() for _ in range(20)]
        until(lambda: named(wall, "limit-reached"), "the limit is told")
        assert len(named(wall, "flow-accepted")) == 20
        assert_no_busy_loop(wall.pid)
        for sock in silent[:20]:
            abort(sock)
        assert recv(servers[0]) == "ECONNRESET"
        assert send(silent[20], b"my turn") == "ok"
        assert recv(upstream.accept()) == b"my turn"
    finally:
        hang_up()
        upstream.sock.close()
        assert wall.stop() == 0


def test_tiny_windows_hold_little_and_hold_up_nobody(tmp_path: Path) -> None:
    """The smallest receive buffer that Linux gives, read a byte at a time, while the server has megabytes to say."""
    with running(tmp_path, {"plain": []}) as rig:
        healthy = healthy_one(rig)
        base = resident(rig.wall.pid)
        slow = [rig.connect("plain", 4, buffer=1) for _ in range(4)]
        for talk in slow:
            assert talk.server is not None
            assert fill(talk.server) > 0, "until it is held back, and the server waits"
        for _ in range(200):
            for talk in slow:
                assert recv(talk.client, 1) == b"\0"
        assert resident(rig.wall.pid) - base < len(slow) * HELD
        assert_goes_on(healthy)
        assert_no_busy_loop(rig.wall.pid)


def test_a_byte_at_a_time_arrives_and_leaves_turns_to_others(tmp_path: Path) -> None:
    looking = policy(tmp_path, "looking", [{"reset": "both"}], {"contains": "never", "from": "client"})
    with running(tmp_path, {"plain": [], "seen": [looking]}) as rig:
        healthy = healthy_one(rig)
        dribbling = [rig.connect(name, 4) for name in ("plain", "seen")]
        for talk in dribbling:
            talk.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(2000):
            for talk in dribbling:
                assert send(talk.client, bytes([number % 251])) == "ok"
            if number % 500 == 0:
                assert_goes_on(healthy)
        for talk in dribbling:
            assert talk.server is not None
            assert read_exactly(talk.server, 2000) == bytes(number % 251 for number in range(2000))


def test_an_urgent_mark_stops_nothing(tmp_path: Path) -> None:
    """The urgent byte itself is not passed on (docs/fidelity.md); those before and behind it are."""
    with running(tmp_path, {"plain": []}) as rig:
        talk = rig.connect("plain", 4)
        assert talk.server is not None
        assert send(talk.client, b"before") == "ok"
        assert read_exactly(talk.server, 6) == b"before"
        talk.client.send(b"!", socket.MSG_OOB)
        assert send(talk.client, b"behind") == "ok"
        assert read_exactly(talk.server, 6) == b"behind"
        assert_goes_on(talk)
        assert_no_busy_loop(rig.wall.pid)


def test_what_a_client_says_is_never_a_line_of_the_journal(tmp_path: Path) -> None:
    """What is told of a client is an address that was understood, or that it was not; never its bytes."""
    upstream = Upstream(4)
    door = Door("door", upstream.address, more={"proxy_protocol": {"in": True}})
    wall = Wall(tmp_path, [door])
    try:
        client = dial(wall.addresses["door"])
        assert send(client, b'PROXY TCP4 1.2.3.4"}\\n{"fact": "panic 1.2.3.4 1 2\r\n') == "ok"
        assert recv(client) == "ECONNRESET"
        until(lambda: named(wall, "proxy-header-refused"), "it is told")
        assert not named(wall, "panic")
        assert "1.2.3.4" not in wall.errors() + (tmp_path / "journal.jsonl").read_text()
    finally:
        hang_up()
        upstream.sock.close()
        assert wall.stop() == 0


def test_half_closed_and_silent_is_a_seat_that_a_limit_takes_back(tmp_path: Path) -> None:
    """Without `limits.idle` such a flow stays: so it does without a proxy, and so it is with us."""
    upstream = Upstream(4)
    wall = Wall(tmp_path, [Door("door", upstream.address, more={"limits": {"idle": "3s"}})], "--quiet")
    try:
        pile = [Talk(wall, "door", dial(wall.addresses["door"]), upstream.accept()) for _ in range(20)]
        for talk in pile:
            talk.client.shutdown(socket.SHUT_WR)
            assert talk.server is not None
            assert recv(talk.server) == "EOF"
        for talk in pile:
            assert recv(talk.client) == "ECONNRESET"
            talk.wait("limit-reached")
            talk.wait("flow-closed")
    finally:
        hang_up()
        upstream.sock.close()
        assert wall.stop() == 0


def test_from_outside_no_way_leads_to_the_metrics(tmp_path: Path) -> None:
    """What is said at a door goes to its upstream and nowhere else, whatever it looks like."""
    with running(tmp_path, {"plain": []}) as rig:
        talk = rig.connect("plain", 4)
        asked = b"GET /metrics HTTP/1.1\r\nHost: " + at(LOCALHOST[4], 1).encode() + b"\r\n\r\n"
        assert send(talk.client, asked) == "ok"
        assert talk.server is not None
        assert read_exactly(talk.server, len(asked)) == asked
