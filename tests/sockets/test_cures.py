"""The cure of the idle family: a keepalive is a sign of life where packets count, and none where bytes do.

Two clients of each policy ask once and are silent then; one of them has keepalives.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from tests.relay.peers import read_exactly, send, until
from tests.relay.rig import Rig, Talk, running

from bustedwall.policy import library
from bustedwall.policy.load import load_use
from bustedwall.policy.rules import AtIdle, Clock

pytestmark = pytest.mark.long("three seconds of silence: keepalives come once a second at most")

IDLE = "3s"


def clocks() -> Iterator[tuple[str, Clock]]:
    """Yield each policy that waits for silence, and what it takes for a sign of life."""
    for name in library.names():
        for rule in load_use(name):
            if isinstance(rule.when, AtIdle):
                yield name, rule.when.clock


CLOCKS = dict(clocks())


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("wall"), {name: [{name: {"idle": IDLE}}] for name in CLOCKS}) as rig:
        yield rig


def ask(talk: Talk) -> None:
    """Ask, and be answered."""
    assert talk.server is not None
    assert send(talk.client, b"ask") == "ok"
    assert read_exactly(talk.server, 3) == b"ask"
    assert send(talk.server, b"answer") == "ok"
    assert read_exactly(talk.client, 6) == b"answer"


def struck(talk: Talk) -> bool:
    """Tell whether the policy has ended the flow."""
    return any(fact["fact"] == "rule-fired" for fact in talk.facts())


def test_a_keepalive_keeps_what_counts_packets_and_not_what_counts_bytes(rig: Rig, version: int) -> None:
    kept, silent = {}, {}
    for name in CLOCKS:
        talk = kept[name] = rig.connect(name, version)
        talk.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
        talk.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        talk.client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        ask(talk)
    for name in CLOCKS:  # later than those with keepalives, so that these have been silent for longer
        silent[name] = rig.connect(name, version)
        ask(silent[name])
    until(lambda: all(map(struck, silent.values())), "without keepalives each of them has struck")

    for name, clock in CLOCKS.items():
        if clock is Clock.DATA:
            until(lambda name=name: struck(kept[name]), f"{name} counts bytes")
        else:
            assert not struck(kept[name]), f"{name} counts packets"
            ask(kept[name])


def test_the_family_is_what_it_says() -> None:
    assert {name for name, clock in CLOCKS.items() if clock is Clock.DATA} == {
        "keepalive-gave-up-rst", "mysql-idle", "proxy-idle-fin",
    }  # fmt: skip
    assert len(CLOCKS) >= 12
