"""A wait for bytes that begins in the middle of a transfer: what the relay had taken by then is not counted."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import HANG, read_all, read_exactly, send
from tests.relay.rig import Rig, policy, running

SMALL = 1 << 18
MUCH = bytes(16 << 20)
EXACTLY = 5000


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    steps = [{"wait": {"bytes": f"{EXACTLY}B", "from": "server"}}, {"reset": "client"}]
    moments = {"later": {"flow_age": "300ms"}, "told": {"signal": "now"}}
    uses = {name: [policy(folder, name, steps, when)] for name, when in moments.items()}
    with running(folder, uses, buffer=SMALL) as rig:
        yield rig


def test_a_wait_may_begin_while_a_slow_reader_has_bytes_waiting_in_the_relay(connect: Connect, version: int) -> None:
    talk = connect("later", version, buffer=SMALL)
    assert talk.server is not None
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(send, talk.server, MUCH)
        fired = talk.wait("rule-fired")  # nobody has read a byte: the relay holds what our kernel did not take
        got, ending = read_all(talk.client)
        assert ending == "ECONNRESET"
        assert len(got) < len(MUCH)
        closed_by = talk.wait("reset-sent")
        talk.server.shutdown(socket.SHUT_RDWR)
        sent.result(HANG)

    closed = talk.wait("flow-closed")
    assert closed_by["cause"] == "later/rule"
    assert closed["from_server"] >= fired["passed_from_server"] + EXACTLY
    assert "flow-failed" not in {fact["fact"] for fact in talk.facts()}


def test_a_wait_that_begins_when_all_has_passed_ends_exactly_there(rig: Rig, connect: Connect, version: int) -> None:
    talk = connect("told", version)
    assert talk.server is not None
    before = bytes(20_000)
    assert send(talk.server, before) == "ok"
    assert read_exactly(talk.client, len(before)) == before
    rig.fire("now")
    fired = talk.wait("rule-fired")
    assert send(talk.server, bytes(EXACTLY) + b"more") == "ok"
    assert read_all(talk.client)[1] == "ECONNRESET"

    assert fired["passed_from_server"] == len(before)
    assert talk.wait("reset-sent")["cause"] == "told/rule"
    talk.server.close()
    assert talk.wait("flow-closed")["from_server"] == len(before) + EXACTLY
