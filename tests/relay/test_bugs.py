"""A bug of ours in one flow ends that flow, says so, and leaves all others alone."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.relay.peers import Upstream, abort, dial, recv, send
from tests.relay.rig import Door, Talk, Wall

PROGRAM = Path(__file__).with_name("buggy.py")


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream(4)
    yield upstream
    upstream.sock.close()


@pytest.mark.parametrize("provocation", ["bad", "later"])
def test_an_exception_ends_its_flow_by_rst_and_no_other(tmp_path: Path, upstream: Upstream, provocation: str) -> None:
    program = [sys.executable, str(PROGRAM), upstream.address, str(tmp_path / "journal.jsonl")]
    wall = Wall(tmp_path, [Door("buggy", upstream.address)], program=program)

    def connect() -> Talk:
        client = dial(wall.addresses["buggy"])
        return Talk(wall, "buggy", client, upstream.accept())

    healthy, victim = connect(), connect()
    assert send(victim.client, provocation.encode()) == "ok"
    assert recv(victim.client) == "ECONNRESET"
    if provocation == "later":
        assert recv(victim.server) == b"later"
    assert recv(victim.server) == "ECONNRESET"
    story = victim.story()
    assert story[:3] == ["flow-accepted", "flow-opened", "rule-fired buggy/rule 1 0 0 None"]
    assert story[-2] == "flow-failed see the log"
    assert story[-1].startswith("flow-closed")

    for talk in (healthy, connect()):  # one from before the bug, one from after it
        assert send(talk.client, b"fine") == "ok"
        assert recv(talk.server) == b"fine"
        assert send(talk.server, b"thanks") == "ok"
        assert recv(talk.client) == b"thanks"
        abort(talk.client)
        assert recv(talk.server) == "ECONNRESET"
        talk.wait("flow-closed")

    wall.signal(signal.SIGTERM)
    assert wall.wait() == 0
    errors = wall.errors()
    assert errors.count("a bug of bustedwall ended a flow") == 1
    assert errors.count("ZeroDivisionError: a bug in ") == 1
