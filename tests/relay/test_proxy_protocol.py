"""The PROXY protocol on real sockets: heard before anything else, told before anything else, and no traffic."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.relay.peers import LOCALHOST, VERSIONS, Upstream, abort, at, dial, hang_up, read_exactly, recv, send, until
from tests.relay.rig import Door, Fact, Talk, Wall, policy, told

from bustedwall.terms.proxy_header import Ends, Version, write

HEARS = {"in": True, "within": "60s"}
FOREIGN = Ends.of(("192.0.2.7", 4711), ("198.51.100.1", 443))
FOREIGN_6 = Ends.of(("2001:db8::7", 4711), ("2001:db8::1", 443))
LINE = write(Version.V1, FOREIGN)
BINARY = write(Version.V2, FOREIGN)
SNI = b"\x02\x00\x0bexample.com"


class Bench:
    """One process with a proxy for each way to use headers, each before an upstream of its IP version."""

    def __init__(self, folder: Path) -> None:
        self.upstreams = {version: Upstream(version) for version in VERSIONS}
        five = policy(folder, "five", [{"reset": {"leg": "server", "flush": True}}], {"bytes": "5B", "from": "client"})
        word = policy(folder, "word", [{"reset": "client"}], {"contains": "PROXY", "from": "client"})
        doors = [
            Door("mapped", self.upstreams[4].address, (), "[::ffff:127.0.0.1]:0", {"proxy_protocol": {"out": "v2"}})
        ]
        for version in VERSIONS:
            there, here = self.upstreams[version].address, at(LOCALHOST[version], 0)
            doors += [
                Door(f"v1-{version}", there, (), here, {"proxy_protocol": {"out": "v1"}}),
                Door(f"v2-{version}", there, (), here, {"proxy_protocol": {"out": "v2"}}),
                Door(f"five-{version}", there, (five,), here, {"proxy_protocol": {"out": "v2"}}),
                Door(f"word-{version}", there, (word,), here, {"proxy_protocol": {"out": "v1"}}),
                Door(f"in-{version}", there, (), here, {"proxy_protocol": HEARS}),
                Door(f"matched-{version}", there, (_matched(folder),), here, {"proxy_protocol": HEARS}),
                Door(f"hasty-{version}", there, (), here, {"proxy_protocol": {"in": True, "within": "300ms"}}),
                Door(f"in-v1-{version}", there, (), here, {"proxy_protocol": {**HEARS, "out": "v1"}}),
                Door(f"in-v2-{version}", there, (), here, {"proxy_protocol": {**HEARS, "out": "v2"}}),
            ]
        self.wall = Wall(folder, doors, "--quiet")
        self.base = self.wall.descriptors()
        self.version = 4

    def dial(self, proxy: str) -> Talk:
        """Connect a client."""
        name = f"{proxy}-{self.version}"
        return Talk(self.wall, name, dial(self.wall.addresses[name]), None)

    def server(self) -> socket.socket:
        """Accept what the proxy has dialled."""
        return self.upstreams[self.version].accept()

    def refused(self, talk: Talk) -> Fact:
        """Return what is recorded of a client that sent no header."""
        name = at(*talk.client.getsockname()[:2])

        def found() -> Fact | None:
            facts = [fact for fact in self.wall.facts() if fact["fact"] == "proxy-header-refused"]
            return next((fact for fact in reversed(facts) if fact["client"] == name), None)

        fact = until(found, "it is recorded that the client was refused")
        assert fact["proxy"] == talk.proxy
        assert fact["flow"] is None
        return fact


def _matched(folder: Path) -> str:
    path = folder / "matched.yaml"
    path.write_text(
        "version: 1\nname: matched\nsummary: A test's own.\n"
        "rules: [{name: r, match: {address: 192.0.2.0/24}, when: accept, do: [{reset: client}]}]\n"
    )
    return str(path)


@pytest.fixture(scope="module")
def _bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("wall"))
    yield bench
    for upstream in bench.upstreams.values():
        upstream.sock.close()
    assert bench.wall.stop() == 0


@pytest.fixture
def bench(_bench: Bench, version: int) -> Iterator[Bench]:
    _bench.version = version
    yield _bench
    hang_up()
    for upstream in _bench.upstreams.values():
        upstream.forget()


def real_ends(talk: Talk) -> Ends | None:
    return Ends.of(talk.client.getsockname()[:2], talk.client.getpeername()[:2])


# ---- out


@pytest.mark.parametrize("kind", Version)
def test_the_upstream_is_told_the_client_before_that_one_says_anything(bench: Bench, kind: Version) -> None:
    talk = bench.dial(kind.value)
    server = bench.server()
    header = write(kind, real_ends(talk))
    assert read_exactly(server, len(header)) == header
    assert send(server, b"220 ready") == "ok"
    assert recv(talk.client) == b"220 ready"
    assert send(talk.client, b"HELO") == "ok"
    assert recv(server) == b"HELO"
    talk.client.close()
    assert recv(server) == "EOF"
    server.close()
    assert told(talk.wait("flow-closed")) == "flow-closed 4 9 0", "the header is no traffic"


def test_a_client_that_has_gone_at_once_is_told_of_all_the_same(bench: Bench) -> None:
    talk = bench.dial("v1")
    header = write(Version.V1, real_ends(talk))
    talk.client.shutdown(socket.SHUT_WR)
    server = bench.server()
    assert read_exactly(server, len(header)) == header
    assert recv(server) == "EOF"


@pytest.mark.parametrize("version", [4])
def test_ipv4_addresses_that_are_written_as_ipv6_are_told_as_ipv4(bench: Bench, version: int) -> None:
    port = bench.wall.addresses["mapped"][1]
    client = dial((LOCALHOST[version], port))
    header = write(Version.V2, Ends.of(client.getsockname(), client.getpeername()))
    assert read_exactly(bench.server(), len(header)) == header
    assert len(header) == 28


def test_an_offset_does_not_count_the_header(bench: Bench) -> None:
    talk = bench.dial("five")
    server = bench.server()
    header = write(Version.V2, real_ends(talk))
    assert read_exactly(server, len(header)) == header
    assert send(talk.client, b"12345678") == "ok"
    assert read_exactly(server, 5) == b"12345"
    assert recv(server) == "ECONNRESET"
    assert talk.wait("rule-fired")["passed_from_client"] == 5


def test_a_text_is_not_looked_for_in_the_header(bench: Bench) -> None:
    talk = bench.dial("word")
    server = bench.server()
    header = write(Version.V1, real_ends(talk))
    assert read_exactly(server, len(header)) == header
    assert send(talk.client, b" TCP4") == "ok"
    assert recv(server) == b" TCP4"
    assert send(talk.client, b"PROXY") == "ok"
    assert recv(talk.client) == "ECONNRESET"
    assert talk.wait("rule-fired")["passed_from_client"] == 10


# ---- in


@pytest.mark.parametrize("header", [LINE, BINARY, write(Version.V2, FOREIGN, SNI)], ids=["v1", "v2", "v2-extra"])
def test_a_header_is_heard_and_taken_out(bench: Bench, header: bytes) -> None:
    talk = bench.dial("in")
    assert send(talk.client, header + b"GET /") == "ok"
    server = bench.server()
    assert recv(server) == b"GET /"
    accepted = _accepted(bench, talk)
    assert accepted["client"] == "192.0.2.7:4711"
    assert accepted["via"] == at(*talk.client.getsockname()[:2])
    talk.client.close()
    assert recv(server) == "EOF"


@pytest.mark.parametrize("header", [LINE, BINARY], ids=["v1", "v2"])
def test_a_header_may_come_in_pieces(bench: Bench, header: bytes) -> None:
    talk = bench.dial("in")
    talk.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in header + b"hello":
        assert send(talk.client, bytes([byte])) == "ok"
    assert read_exactly(bench.server(), 5) == b"hello"


def test_a_server_may_speak_first_once_the_header_is_there(bench: Bench) -> None:
    talk = bench.dial("in")
    assert send(talk.client, LINE) == "ok"
    server = bench.server()
    assert send(server, b"220 ready") == "ok"
    assert recv(talk.client) == b"220 ready"


def test_nothing_is_dialled_before_the_header_is_whole(bench: Bench) -> None:
    talk = bench.dial("in")
    assert send(talk.client, LINE[:-1]) == "ok"
    other = bench.dial("in")  # a later client, let in, shows that the first one waits
    assert send(other.client, LINE + b"other") == "ok"
    assert recv(bench.server()) == b"other"
    assert send(talk.client, LINE[-1:] + b"first") == "ok"
    assert recv(bench.server()) == b"first"


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", write(Version.V2, None)], ids=["UNKNOWN", "LOCAL"])
def test_a_header_without_addresses_leaves_the_real_ones(bench: Bench, header: bytes) -> None:
    talk = bench.dial("in")
    assert send(talk.client, header + b"hello") == "ok"
    assert recv(bench.server()) == b"hello"
    assert talk.wait("flow-accepted")["via"] is None


def test_rules_match_the_address_that_is_told(bench: Bench) -> None:
    talk = bench.dial("matched")
    assert send(talk.client, LINE) == "ok"
    assert recv(talk.client) == "ECONNRESET"
    spared = bench.dial("matched")
    assert send(spared.client, write(Version.V1, FOREIGN_6) + b"hello") == "ok"
    assert recv(bench.server()) == b"hello"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "no PROXY header"),
        (b"\x16\x03\x01\x02\x00", "no PROXY header"),
        (b"PROXY TCP4 192.0.2.7\r\n", "malformed"),
        (b"PROXY UNKNOWN " + b"x" * 100, "too long"),
        (BINARY[:14] + b"\xff\xff", "too long"),
        (write(Version.V2, FOREIGN, b"\x03\x00\x04" + bytes(4))[:-4] + bytes(4), "wrong checksum"),
    ],
)
def test_what_is_no_header_is_a_rst_and_a_fact(bench: Bench, data: bytes, reason: str) -> None:
    talk = bench.dial("in")
    assert send(talk.client, data) == "ok"
    assert recv(talk.client) == "ECONNRESET"
    assert bench.refused(talk)["reason"] == reason


def test_a_client_without_a_header_is_not_waited_for_for_ever(bench: Bench) -> None:
    began = time.monotonic()
    talk = bench.dial("hasty")
    assert recv(talk.client) == "ECONNRESET"
    assert time.monotonic() - began >= 0.3
    assert bench.refused(talk)["reason"] == "not whole in time"


def test_a_client_that_ends_before_its_header_is_whole_is_a_fact_and_leaves_nothing(bench: Bench) -> None:
    finished, aborted, silent = (bench.dial("in") for _ in range(3))
    assert send(finished.client, BINARY[:-1]) == "ok"
    finished.client.shutdown(socket.SHUT_WR)
    silent.client.shutdown(socket.SHUT_WR)
    assert recv(finished.client) == "ECONNRESET"
    assert recv(silent.client) == "ECONNRESET"
    assert bench.refused(finished)["reason"] == "ended before it was whole"
    assert bench.refused(silent)["reason"] == "ended before it was whole"
    assert send(aborted.client, BINARY[:-1]) == "ok"
    name = at(*aborted.client.getsockname()[:2])
    abort(aborted.client)
    until(lambda: name in [fact.get("client") for fact in bench.wall.facts()], "the third is refused, too")
    hang_up()
    until(lambda: bench.wall.descriptors() == bench.base, "nothing is left open")


# ---- in and out


@pytest.mark.parametrize("kind", Version)
@pytest.mark.parametrize("ends", [FOREIGN, FOREIGN_6], ids=["IPv4", "IPv6"])
def test_what_is_heard_is_told(bench: Bench, ends: Ends, kind: Version) -> None:
    talk = bench.dial(f"in-{kind.value}")
    assert send(talk.client, write(Version.V2, ends, SNI) + b"hello") == "ok"
    header = write(kind, ends, SNI)
    assert read_exactly(bench.server(), len(header) + 5) == header + b"hello"


def test_where_no_address_is_heard_the_real_one_is_told(bench: Bench) -> None:
    talk = bench.dial("in-v2")
    assert send(talk.client, write(Version.V2, None)) == "ok"
    header = write(Version.V2, real_ends(talk))
    assert read_exactly(bench.server(), len(header)) == header


def test_behind_its_header_a_flow_is_as_any_other(bench: Bench) -> None:
    """Large enough to be spliced, both ways at once, with a half-close."""
    talk = bench.dial("in-v2")
    up, down = os.urandom(12 << 20), os.urandom(12 << 20)
    pushing = threading.Thread(target=_push, args=(talk.client, BINARY + up))
    pushing.start()
    server = bench.server()
    answering = threading.Thread(target=_push, args=(server, down))
    answering.start()
    digests = []
    for sock in (server, talk.client):
        digest = hashlib.sha256()
        while isinstance(data := recv(sock, 1 << 18), bytes):
            digest.update(data)
        assert data == "EOF"
        digests.append(digest.digest())
    pushing.join()
    answering.join()
    assert digests[0] == hashlib.sha256(BINARY + up).digest()
    assert digests[1] == hashlib.sha256(down).digest()


def _push(sock: socket.socket, data: bytes) -> None:
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)


def _accepted(bench: Bench, talk: Talk) -> Fact:
    """Return the fact of a flow whose client is told by a header."""
    name = at(*talk.client.getsockname()[:2])

    def found() -> Fact | None:
        return next((fact for fact in reversed(bench.wall.facts()) if fact.get("via") == name), None)

    return until(found, "the flow is accepted")


# ---- the end


def test_who_still_owes_a_header_is_ended_with_the_process(tmp_path: Path) -> None:
    """Asked for on the command line, too."""
    upstream = Upstream(4)
    typed = ["--listen", "127.0.0.1:0", "--upstream", upstream.address, "--proxy-protocol-in", "--quiet"]
    program = [sys.executable, "-m", "bustedwall", "run", *typed, "--proxy-protocol-out", "v1"]
    wall = Wall(tmp_path, [Door("proxy", upstream.address)], program=program)
    waiting, served = dial(wall.addresses["proxy"]), dial(wall.addresses["proxy"])
    assert send(waiting, LINE[:9]) == "ok"
    assert send(served, BINARY + b"x") == "ok"
    server = upstream.accept()
    assert read_exactly(server, len(LINE) + 1) == LINE + b"x"
    wall.signal(signal.SIGTERM)
    assert recv(waiting) == "ECONNRESET", "it is no flow that could be let to its end"
    served.close()
    server.close()
    assert wall.wait() == 0
    assert wall.errors() == ""
    upstream.sock.close()
