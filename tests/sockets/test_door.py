"""The door: `refuse`, `ignore`, `backlog_full`, and what clients get of connect and the calls after it.

The tables are those of the research of the connect phase on Linux. A SYN that is lost comes again
after 1, 2, 3 s (tcp_syn_linear_timeouts); a RST to a SYN is ECONNREFUSED (RFC 9293 §3.10.7.3).
"""

from __future__ import annotations

import select
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.relay.peers import HANG, VERSIONS, abort, read_exactly, recv, send, until
from tests.relay.rig import policy
from tests.sockets.calls import QUIET, info, play, state
from tests.sockets.doors import House, connected, filtered, house

from bustedwall.terms.unreachable import Unreachable

LIMIT = 0.8
"""Seconds after which a client's kernel gives its connect up."""

ONE = {"signal": "one"}
TWO = {"signal": "two"}
ESTABLISHED, SYN_SENT = 1, 2

UNREACHED = {
    Unreachable.HOST: "EHOSTUNREACH",
    Unreachable.NETWORK: "ENETUNREACH",
    Unreachable.PROHIBITED: "EHOSTUNREACH",
    Unreachable.PORT: "ECONNREFUSED",
}
"""What connect gives for ICMP, or ICMPv6 (icmp_err_convert, tab_unreach)."""
PROHIBITED_6 = "EACCES"


@pytest.fixture(params=VERSIONS, ids=lambda version: f"IPv{version}")
def version(request: pytest.FixtureRequest) -> int:
    """Run the test over IPv4, then over IPv6."""
    return request.param


# ---- refuse


def test_refuse_every_connect_fails_at_once_until_the_rule_is_gone(tmp_path: Path, version: int) -> None:
    with house(tmp_path, version, [policy(tmp_path, "refusing", ["refuse"], ONE)]) as home:
        talk = home.connect()
        home.one()
        home.set("refuse")
        for _ in range(3):
            assert home.knock()[0] == "ECONNREFUSED"
        sock, at_once = home.knock_at_once()
        with sock:
            assert at_once in ("EINPROGRESS", "ECONNREFUSED")
            assert at_once == "ECONNREFUSED" or connected(sock) == "ECONNREFUSED"
        assert not home.asked()
        assert send(talk.client, b"still here") == "ok"
        assert recv(talk.server) == b"still here"
        home.change()
        home.set("open")
        home.serves()


def test_refuse_for_a_while_from_the_beginning(tmp_path: Path, version: int) -> None:
    began = time.monotonic()
    with house(tmp_path, version, [policy(tmp_path, "refusing", [{"refuse": "700ms"}], "applied")]) as home:

        def is_open() -> bool:
            given = home.knock()[0]
            assert given in ("ok", "ECONNREFUSED")
            return given == "ok"

        until(is_open, "clients are let in")
        assert time.monotonic() - began >= 0.7
        home.set("open")
        assert [f["mode"] for f in home.wall.facts() if f["fact"] == "door-set"] == ["refuse", "open"]
        home.serves()


def test_refuse_resets_who_waits_to_be_accepted(tmp_path: Path, version: int) -> None:
    full = policy(tmp_path, "full", ["backlog_full"], ONE)
    refusing = policy(tmp_path, "refusing", ["refuse"], TWO)
    with house(tmp_path, version, [full, refusing]) as home:
        home.one()
        home.set("full")
        client = home.dial().client
        assert send(client, b"is anybody there?") == "ok"
        home.two()
        home.set("refuse")
        script = ["rst", "recv: ECONNRESET", "recv: EOF", "send: EPIPE"]
        assert play(client, script, lambda: None) == script
        assert home.knock()[0] == "ECONNREFUSED"
        home.change()
        home.set("open")
        home.serves()


@pytest.mark.long("two seconds each")
def test_refuse_again_and_again_under_load_serves_or_refuses_and_nothing_else(tmp_path: Path, version: int) -> None:
    flapping = policy(tmp_path, "flapping", [{"refuse": "10ms"}], {"repeat": "25ms"})
    with house(tmp_path, version, [flapping]) as home:
        seen: list[str] = []
        knocked, served = threading.Event(), threading.Event()

        def knock_on() -> None:
            while not knocked.is_set():
                seen.append(home.knock()[0])

        def serve() -> None:
            while not served.is_set():
                if home.asked():
                    home.upstream.accept().close()

        knocking = [threading.Thread(target=knock_on, daemon=True) for _ in range(3)]
        serving = threading.Thread(target=serve, daemon=True)
        for worker in (*knocking, serving):
            worker.start()
        home.set("open", 40)
        knocked.set()
        for worker in knocking:
            worker.join(HANG)
        assert {"ok", "ECONNREFUSED"} <= set(seen)
        assert set(seen) <= {"ok", "ECONNREFUSED", "ECONNRESET"}, "the last: it waited to be accepted"

        def facts(name: str) -> int:
            return sum(fact["fact"] == name for fact in home.wall.facts())

        def steady() -> bool:
            before = facts("door-set")
            time.sleep(0.1)  # four times the interval
            return facts("door-set") == before

        home.change()
        until(steady, "the door is left alone")
        until(lambda: facts("flow-closed") == facts("flow-accepted"), "all flows end")
        served.set()
        serving.join(HANG)
        home.serves()


# ---- ignore


def test_ignore_connect_waits_and_its_own_limit_ends_it(tmp_path: Path, version: int) -> None:
    with house(tmp_path, version, [policy(tmp_path, "ignoring", ["ignore"], ONE)]) as home:
        talk = home.connect()
        home.one()
        home.set("ignore")
        home.is_deaf_to_clients(LIMIT)
        assert send(talk.client, b"still here") == "ok"
        assert recv(talk.server) == b"still here"
        home.change()
        assert home.set("open")["lost"] >= 2
        home.serves()


def test_ignore_that_is_over_lets_in_by_the_next_syn(tmp_path: Path, version: int) -> None:
    with house(tmp_path, version, [policy(tmp_path, "ignoring", ["ignore"], ONE)]) as home:
        home.one()
        home.set("ignore")
        began = time.monotonic()
        sock, _ = home.knock_at_once()
        with sock:
            home.change()
            home.set("open")
            assert connected(sock) == "ok"
            assert time.monotonic() - began >= 0.9, "nothing but the SYN of the first second lets it in"
            server = home.upstream.accept()
            sock.settimeout(HANG)
            assert send(sock, b"at last") == "ok"
            assert read_exactly(server, 7) == b"at last", "its socket has not inherited the loss"
            assert send(server, b"welcome") == "ok"
            assert read_exactly(sock, 7) == b"welcome"


@pytest.mark.long("two seconds each")
@pytest.mark.parametrize("first", [1, 2])
def test_ignore_the_first_syns_makes_the_handshake_late(tmp_path: Path, version: int, first: int) -> None:
    with house(tmp_path, version, [policy(tmp_path, "late", [{"ignore": {"first": first}}], "applied")]) as home:
        error, took = home.knock()
        assert error == "ok"
        assert took >= first, "a SYN comes again after a second, and after another"
        assert home.set("open")["lost"] == first
        home.upstream.accept().close()
        sock, _ = home.knock_at_once()
        with sock:
            assert connected(sock) == "ok"
            assert info(sock).total_retrans == 0, "the next client is let in by its first SYN"


def test_ignore_under_load_and_open_again_lets_everybody_in(tmp_path: Path, version: int) -> None:
    with (
        house(tmp_path, version, [policy(tmp_path, "ignoring", ["ignore"], ONE)]) as home,
        ExitStack() as stack,
    ):
        home.one()
        home.set("ignore")
        waiting = [stack.enter_context(home.knock_at_once()[0]) for _ in range(20)]
        assert [state(sock) for sock in waiting] == [SYN_SENT] * 20
        home.change()
        home.set("open")
        assert [connected(sock) for sock in waiting] == ["ok"] * 20
        for _ in waiting:
            stack.enter_context(home.upstream.accept())


# ---- unreachable


@pytest.mark.root("CAP_NET_RAW")
@pytest.mark.parametrize("why", Unreachable)
def test_unreachable_connect_fails_at_once_and_says_why(tmp_path: Path, version: int, why: Unreachable) -> None:
    step = {"unreachable": why.value}
    with house(tmp_path, version, [policy(tmp_path, "far", [step], ONE)]) as home:
        talk = home.connect()
        home.one()
        home.set("unreachable")
        for _ in range(3):
            assert home.knock()[0] == (PROHIBITED_6 if (why.value, version) == ("prohibited", 6) else UNREACHED[why])
        assert not home.asked()
        assert send(talk.client, b"still here") == "ok"
        assert recv(talk.server) == b"still here"
        home.change()
        fact = home.set("open")
        assert fact["lost"] == fact["answered"] >= 3, "more, where a SYN is repeated because its answer is late"
        home.serves()


@pytest.mark.root("CAP_NET_RAW")
def test_unreachable_for_a_while_and_stronger_than_ignore(tmp_path: Path, version: int) -> None:
    ignoring = policy(tmp_path, "ignoring", ["ignore"], ONE)
    far = policy(tmp_path, "far", [{"unreachable": {"why": "network", "for": "2s"}}], TWO)
    with house(tmp_path, version, [ignoring, far]) as home:
        home.one()
        home.set("ignore")
        home.two()
        home.set("unreachable")
        assert home.knock()[0] == "ENETUNREACH"
        home.set("ignore", 2)
        home.is_deaf_to_clients(LIMIT)


@pytest.mark.root("CAP_NET_ADMIN")
def test_ignore_some_clients_and_the_others_come_in_and_keep_no_filter(tmp_path: Path, version: int) -> None:
    clients = {4: "127.0.0.0/8", 6: "::1"}[version]
    some = policy(tmp_path, "some", [{"ignore": {"clients": clients}}], ONE)
    with house(tmp_path, version, [some], listen="[::]:0") as home:
        others = House(home.wall, home.upstream, 10 - version)
        home.one()
        home.set("ignore-some")
        home.is_deaf_to_clients(LIMIT)
        talk = others.connect()
        assert send(talk.client, b"let in") == "ok"
        assert recv(talk.server) == b"let in"
        assert filtered(home.wall.pid) == 1, "the door's own filter"
        home.change()
        assert home.set("open")["lost"] >= 2
        assert filtered(home.wall.pid) == 0
        home.serves()


@pytest.mark.root("CAP_NET_ADMIN")
def test_ignore_last_acks_connects_clients_that_nobody_accepts(tmp_path: Path, version: int) -> None:
    with house(tmp_path, version, [policy(tmp_path, "last", [{"ignore": {"what": "last_ack"}}], ONE)]) as home:
        talk = home.connect()
        home.one()
        home.set("ignore-some")
        assert home.knock()[0] == "ok", "connect does not notice"
        client = home.dial().client
        assert state(client) == ESTABLISHED
        script = ["send: ok", "recv: nothing", "send: ok", "recv: nothing"]
        assert play(client, script, lambda: None) == script
        assert not home.asked()
        assert send(talk.client, b"still here") == "ok"
        assert recv(talk.server) == b"still here"
        home.change()
        assert home.set("open")["lost"] >= 2
        while (said := recv(home.upstream.accept())) == "EOF":  # who has knocked and left
            pass
        assert said == b"some wordssome words"[: len(said)]
        assert filtered(home.wall.pid) == 0


# ---- backlog_full


def test_backlog_full_the_first_meet_silence_and_the_others_wait(tmp_path: Path, version: int) -> None:
    with house(tmp_path, version, [policy(tmp_path, "full", ["backlog_full"], ONE)]) as home, ExitStack() as stack:
        talk = home.connect()
        home.one()
        home.set("full")
        clients = [stack.enter_context(home.knock_at_once()[0]) for _ in range(4)]
        until(lambda: state(clients[0]) != SYN_SENT, "the first is connected")
        let_in = [sock for sock in clients if state(sock) != SYN_SENT]
        outside = [sock for sock in clients if state(sock) == SYN_SENT]
        assert 1 <= len(let_in) <= 2
        for sock in let_in:
            assert connected(sock) == "ok"
            assert play(sock, ["send: ok", "sent", "recv: nothing"], lambda: None)[-1] == "recv: nothing"
        assert home.knock(LIMIT)[0] == "ETIMEDOUT"
        assert not home.asked()
        assert send(talk.client, b"still here") == "ok"
        assert recv(talk.server) == b"still here"

        home.change()
        home.set("open")
        for _ in let_in:
            server = home.upstream.accept()
            assert read_exactly(server, 10) == b"some words"
            assert send(server, b"sorry") == "ok"
        assert [read_exactly(sock, 5) for sock in let_in] == [b"sorry"] * len(let_in)
        assert [connected(sock) for sock in outside] == ["ok"] * len(outside), "by their next SYN"
        for _ in outside:
            stack.enter_context(home.upstream.accept())


@pytest.mark.parametrize("ending", ["fin", "rst"])
def test_backlog_full_who_gave_up_meanwhile_is_a_flow_that_ends(tmp_path: Path, version: int, ending: str) -> None:
    with house(tmp_path, version, [policy(tmp_path, "full", [{"backlog_full": "400ms"}], ONE)]) as home:
        home.one()
        home.set("full")
        client = home.dial().client
        assert send(client, b"never mind") == "ok"
        if ending == "rst":
            abort(client)
            home.set("open")
            until(lambda: [f for f in home.wall.facts() if f["fact"] == "flow-closed"], "its flow is closed")
        else:
            client.shutdown(socket.SHUT_WR)
            home.set("open")
            server = home.upstream.accept()
            assert [recv(server), recv(server)] == [b"never mind", "EOF"]
            assert send(server, b"too late?") == "ok"
            server.close()
            assert [recv(client), recv(client)] == [b"too late?", "EOF"]
        home.upstream.forget()
        home.serves()


def test_the_strictest_of_what_is_armed_is_what_clients_meet(tmp_path: Path, version: int) -> None:
    ignoring = policy(tmp_path, "ignoring", [{"ignore": "400ms"}], ONE)
    full = policy(tmp_path, "full", ["backlog_full"], TWO)
    with house(tmp_path, version, [full, ignoring]) as home:
        home.one()
        home.set("ignore")
        home.two()
        home.set("full")
        armed = until(lambda: [f for f in home.wall.facts() if f["fact"] == "fault-armed"][1:], "the second is armed")
        assert [fact["fault"] for fact in armed] == ["backlog_full"]
        client = home.dial().client
        assert send(client, b"patience") == "ok"
        assert not home.asked()
        home.change()
        home.set("open")
        server = home.upstream.accept()
        assert read_exactly(server, 8) == b"patience"


# ---- all of them


@pytest.mark.parametrize("step", ["refuse", "ignore", "backlog_full"])
def test_the_process_ends_cleanly_with_a_door_that_is_shut(tmp_path: Path, version: int, step: str) -> None:
    with house(tmp_path, version, [policy(tmp_path, "shut", [step], "applied")]) as home:
        until(lambda: [f for f in home.wall.facts() if f["fact"] == "door-set"], "the door is set")
        before = home.wall.descriptors()
        home.change()
        home.set("open")
        home.change()
        until(lambda: sum(f["fact"] == "door-set" for f in home.wall.facts()) == 3, "the door is set again")
        assert home.wall.descriptors() == before


@pytest.mark.long("two seconds each")
@pytest.mark.parametrize("step", ["refuse", "ignore", "backlog_full"])
def test_the_door_of_all_addresses_does_it_to_both_versions(tmp_path: Path, version: int, step: str) -> None:
    with (
        house(tmp_path, version, [policy(tmp_path, "shut", [step], ONE)], listen="[::]:0") as home,
        ExitStack() as all_,
    ):
        home.serves()
        home.one()
        home.set({"backlog_full": "full"}.get(step, step))
        if step == "refuse":
            assert home.knock()[0] == "ECONNREFUSED"
        else:
            for _ in range(3 if step == "backlog_full" else 0):
                all_.enter_context(home.knock_at_once()[0])
            assert home.knock(LIMIT)[0] == "ETIMEDOUT"
        assert not select.select([home.upstream.sock], [], [], QUIET)[0]
