"""`table`, and what flows have in common, on real sockets: who finds no entry, and when there is one again."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from tests.relay.peers import FAMILY, recv, until
from tests.relay.rig import Rig, Talk, policy, running

LINGER = 0.3
LIMIT = 0.4
"""Seconds after which a client gives its connect up."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    tables: dict[str, dict[str, object]] = {
        "refusing": {"entries": 2, "full": "refuse"},
        "lingering": {"entries": 2, "full": "refuse", "linger": f"{LINGER}s"},
        "ignoring": {"entries": 2},
    }
    with running(
        folder, {name: [policy(folder, name, [{"table": table}], "applied")] for name, table in tables.items()}
    ) as rig:
        yield rig


def knock(rig: Rig, name: str, version: int) -> str:
    """Try to connect; return what came of it."""
    with socket.socket(FAMILY[version]) as sock:
        sock.settimeout(LIMIT)
        try:
            sock.connect(rig.wall.addresses[f"{name}-{version}"])
        except TimeoutError:
            return "waits"
        except ConnectionRefusedError:
            return "ECONNREFUSED"
        return "ok"


def doors(rig: Rig, name: str, version: int) -> list[str]:
    """Return how the door was set, each time."""
    facts = rig.wall.facts()
    return [fact["mode"] for fact in facts if fact["fact"] == "door-set" and fact["proxy"] == f"{name}-{version}"]


def full(rig: Rig, name: str, version: int, mode: str) -> list[Talk]:
    """Fill the table; return the flows in it."""
    talks = [rig.connect(name, version) for _ in range(2)]
    until(lambda: doors(rig, name, version) == [mode], "the door is shut")
    return talks


def end(talk: Talk) -> None:
    talk.client.close()
    assert talk.server is not None
    assert recv(talk.server) == "EOF"
    talk.server.close()


def test_a_full_table_refuses_until_a_connection_has_ended(rig: Rig, version: int) -> None:
    talks = full(rig, "refusing", version, "refuse")
    assert knock(rig, "refusing", version) == "ECONNREFUSED"

    end(talks[0])
    until(lambda: doors(rig, "refusing", version) == ["refuse", "open"], "there is room")
    rig.connect("refusing", version)
    until(lambda: doors(rig, "refusing", version) == ["refuse", "open", "refuse"], "it is full again")


def test_an_entry_lingers_when_its_connection_has_ended(rig: Rig, version: int) -> None:
    talks = full(rig, "lingering", version, "refuse")
    began = time.monotonic()
    end(talks[0])

    until(lambda: doors(rig, "lingering", version) == ["refuse", "open"], "the entry has gone")
    assert time.monotonic() - began >= LINGER
    rig.connect("lingering", version)


@pytest.mark.long("a connect that waits")
def test_a_full_table_loses_syns_and_open_connections_go_on(rig: Rig, version: int) -> None:
    talks = full(rig, "ignoring", version, "ignore")
    assert knock(rig, "ignoring", version) == "waits"

    assert talks[1].server is not None
    talks[1].client.sendall(b"still here")
    assert recv(talks[1].server) == b"still here"
    end(talks[0])
    until(lambda: doors(rig, "ignoring", version) == ["ignore", "open"], "there is room")
    rig.connect("ignoring", version)
