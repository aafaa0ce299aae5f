"""The journal tells a plain flow's life, in order, with the bytes that passed."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from tests.relay.conftest import Connect
from tests.relay.peers import abort, fill, hung_up, read_exactly, recv, send
from tests.relay.rig import Rig, running


def test_the_journal_of_a_flow_that_finishes(connect: Connect, version: int) -> None:
    talk = connect("plain", version)
    assert send(talk.client, b"x" * 70_000) == "ok"
    read_exactly(talk.server, 70_000)
    assert send(talk.server, b"y" * 300) == "ok"
    read_exactly(talk.client, 300)
    talk.server.shutdown(socket.SHUT_WR)
    assert recv(talk.client) == "EOF"
    talk.client.close()
    assert talk.story() == [
        "flow-accepted",
        "flow-opened",
        "peer-finished server",
        "peer-finished client",
        "flow-closed 70000 300 0",
    ]


def test_the_journal_of_a_flow_whose_client_resets_it(connect: Connect, version: int) -> None:
    talk = connect("plain", version)
    assert send(talk.client, b"hello") == "ok"
    read_exactly(talk.server, 5)
    abort(talk.client)
    assert recv(talk.server) == "ECONNRESET"
    assert talk.story() == [
        "flow-accepted",
        "flow-opened",
        "peer-lost client ECONNRESET",
        "reset-sent server peer",
        "flow-closed 5 0 0",
    ]


def test_the_journal_of_a_flow_whose_server_resets_it_after_a_fin(connect: Connect, version: int) -> None:
    talk = connect("plain", version)
    talk.server.shutdown(socket.SHUT_WR)
    assert recv(talk.client) == "EOF"
    abort(talk.server)
    assert hung_up(talk.client)
    assert talk.story() == [
        "flow-accepted",
        "flow-opened",
        "peer-finished server",
        "peer-lost server EPIPE",
        "reset-sent client peer",
        "flow-closed 0 0 0",
    ]


def test_bytes_for_somebody_who_has_gone_are_counted_as_discarded(connect: Connect, version: int) -> None:
    talk = connect("plain", version)
    while fill(talk.server):
        pass  # the proxy may have stood still, and not have been full
    got = len(talk.client.recv(1000))
    abort(talk.client)
    assert hung_up(talk.server)
    closed = talk.wait("flow-closed")
    assert closed["from_server"] >= got
    assert closed["discarded"] > 0, "what waited in the proxy went nowhere"


def test_every_line_says_when_where_and_of_which_flow(rig: Rig, connect: Connect, version: int) -> None:
    talk = connect("plain", version)
    name = f"plain-{version}"
    opened = talk.wait("flow-opened")
    assert opened["upstream"] == rig.upstreams[version].address
    for fact in talk.facts():
        assert fact["schema"] == 1
        assert fact["proxy"] == name
        assert fact["flow"] == opened["flow"]
        assert fact["at"].endswith("+00:00")
    (listening,) = [f for f in rig.wall.facts() if f["fact"] == "proxy-listening" and f["proxy"] == name]
    assert listening["flow"] is None
    assert listening["upstream"] == rig.upstreams[version].address


def test_flows_are_numbered_per_proxy_from_one(tmp_path: Path) -> None:
    with running(tmp_path) as rig:
        for number in (1, 2, 3):
            for version in (4, 6):
                assert rig.connect("plain", version).wait("flow-opened")["flow"] == number


def test_a_shutdown_ends_the_journal_with_all_flows_closed(tmp_path: Path) -> None:
    with running(tmp_path) as rig:
        talks = [rig.connect("plain", version) for version in (4, 6, 4, 6)]
        for talk in talks:
            talk.wait("flow-opened")
        assert rig.wall.stop() == 0
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert sum(line["fact"] == "flow-closed" for line in lines) == len(talks)
