"""`late_dial`, on real sockets: what the client may do while nobody has asked the server."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from tests.relay.peers import HANG, abort, read_all, read_exactly, send, until
from tests.relay.rig import Rig, Talk, policy, running
from tests.sockets.calls import QUIET

SOON = 0.2


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    steps: dict[str, list[object]] = {
        "never": ["late_dial"],
        "later": [{"late_dial": f"{SOON}s"}],
        "asked": [{"late_dial": {"until": "data"}}],
        "syn-proxy": ["late_dial", {"wait": f"{SOON}s"}, {"reset": "client"}],
    }
    with running(folder, {name: [policy(folder, name, done, "accept")] for name, done in steps.items()}) as rig:
        yield rig


def nobody_comes(rig: Rig, version: int) -> bool:
    upstream = rig.upstreams[version]
    upstream.sock.settimeout(QUIET)
    try:
        upstream.accept()
    except TimeoutError:
        return True
    finally:
        upstream.sock.settimeout(HANG)
    return False


def asks(rig: Rig, name: str, version: int, words: bytes = b"hello") -> Talk:
    """Return a flow whose client is connected and has said something."""
    talk = rig.dial(name, version)
    talk.wait("fault-armed")
    assert send(talk.client, words) == "ok"
    return talk


def test_a_client_is_connected_and_heard_and_the_server_not_asked(rig: Rig, version: int) -> None:
    asks(rig, "never", version)

    assert nobody_comes(rig, version)


def test_in_time_the_server_gets_all_that_was_said(rig: Rig, version: int) -> None:
    began = time.monotonic()
    talk = asks(rig, "later", version, bytes(10_000))
    server = rig.upstreams[version].accept()

    assert time.monotonic() - began >= SOON
    assert read_exactly(server, 10_000) == bytes(10_000)
    assert send(server, b"answer") == "ok"
    assert read_exactly(talk.client, 6) == b"answer"


def test_until_data_the_server_is_asked_by_the_clients_first_byte(rig: Rig, version: int) -> None:
    talk = rig.dial("asked", version)
    talk.wait("fault-armed")
    assert nobody_comes(rig, version)

    assert send(talk.client, b"hello") == "ok"
    server = rig.upstreams[version].accept()
    assert read_exactly(server, 5) == b"hello"
    assert send(server, b"answer") == "ok"
    assert read_exactly(talk.client, 6) == b"answer"


def test_a_client_that_only_ends_has_spoken_too(rig: Rig, version: int) -> None:
    talk = rig.dial("asked", version)
    talk.wait("fault-armed")
    talk.client.shutdown(socket.SHUT_WR)
    server = rig.upstreams[version].accept()

    assert read_all(server) == (b"", "EOF")


def test_a_dead_server_behind_a_syn_proxy_is_a_reset_after_a_connect_that_succeeded(rig: Rig, version: int) -> None:
    talk = rig.dial("syn-proxy", version)

    # Who speaks late may meet it in send.
    calls = send(talk.client, b"hello"), read_all(talk.client)
    assert calls in {("ok", (b"", "ECONNRESET")), ("ECONNRESET", (b"", "EOF"))}
    assert nobody_comes(rig, version)


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_client_that_goes_is_forgotten(rig: Rig, version: int, how: str) -> None:
    talk = asks(rig, "never" if how == "reset" else "asked", version)
    if how == "reset":
        abort(talk.client)
        assert nobody_comes(rig, version)
    else:
        talk.client.close()
        rig.upstreams[version].accept().close()

    until(lambda: any(fact["fact"] == "flow-closed" for fact in talk.facts()), "it is closed")
