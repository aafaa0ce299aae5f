"""Loss in bursts, on real sockets: what is lost in one is sent again, and all arrives.

That what is not ACKed is sent again is RFC 9293 §3.8.1. That losses come and go is told by the kernel's
own counters, in `loss-evidence`; when they do is for `tests/flow/test_spells.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import read_exactly, send
from tests.relay.rig import Fact, Rig, Talk, policy, running

BURST = {"good": "500ms", "bad": "150ms"}
LIMIT = 90.0
"""Seconds. Retransmissions double their distance; that eight in a row fall into bursts comes once in 100,000 times."""

pytestmark = [
    pytest.mark.long("seconds each: what is lost comes again after 0.2 s and more"),
    pytest.mark.timeout(2 * LIMIT),
]

MESSAGE = b"are you still there?"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    steps: dict[str, list[object]] = {
        "all-from": [{"drop": {"what": "all", "from": "client", "burst": BURST}}],
        "all-to": [{"drop": {"what": "all", "to": "client", "burst": BURST}}],
        "acks-to": [{"drop": {"what": "acks", "to": "client", "burst": BURST}}],
    }
    with running(folder, {name: [policy(folder, name, each)] for name, each in steps.items()}) as rig:
        yield rig


def named(talk: Talk, name: str) -> list[Fact]:
    return [fact for fact in talk.facts() if fact["fact"] == name]


def talk_until(talk: Talk, enough: Callable[[], bool]) -> None:
    """Say something to each other until there were bursts enough; all of it arrives."""
    assert talk.server is not None
    talk.client.settimeout(LIMIT)
    talk.server.settimeout(LIMIT)
    limit = time.monotonic() + LIMIT
    while not enough():
        assert time.monotonic() < limit, "not so many bursts came"
        for speaker, other in ((talk.client, talk.server), (talk.server, talk.client)):
            assert send(speaker, MESSAGE) == "ok"
            assert read_exactly(other, len(MESSAGE)) == MESSAGE


def comes_and_goes(talk: Talk) -> bool:
    """Tell whether the first loss came after a time without, and each was lifted before the next one."""
    losses = [fact["losses"] for fact in named(talk, "loss-set")]
    return bool(losses[0]) and all(bool(one) != bool(other) for one, other in pairwise(losses))


@pytest.mark.parametrize("name", ["all-from", "all-to", "acks-to"])
def test_bursts_come_and_go_and_every_byte_arrives(connect: Connect, version: int, name: str) -> None:
    talk = connect(name, version)
    talk_until(talk, lambda: sum(f["verdict"] == "effective" for f in named(talk, "loss-evidence")) >= 2)
    assert [fact["error"] for fact in named(talk, "loss-set") if fact["error"]] == []
    assert comes_and_goes(talk)
    assert len(named(talk, "fault-armed")) == 1, "it is one fault, however many bursts there are"


@pytest.mark.root("CAP_NET_ADMIN")
@pytest.mark.parametrize("what", ["data", "acks"])
def test_bursts_of_some_segments_come_and_go_beside_a_loss_that_stays(
    tmp_path_factory: pytest.TempPathFactory, version: int, what: str
) -> None:
    folder = tmp_path_factory.mktemp("some")
    steps = [
        {"drop": "rst from client"},
        {"drop": {"what": what, "from": "client", "burst": BURST}},
    ]
    with running(folder, {"some": [policy(folder, "some", steps)]}) as rig:
        talk = rig.connect("some", version)
        talk_until(talk, lambda: len(named(talk, "loss-set")) >= 5)
        stays, burst = ["rst from"], [f"{what} from", "rst from"]
        told = [(fact["losses"], fact["error"]) for fact in named(talk, "loss-set")[:5]]
        assert told == [(losses, None) for losses in (stays, burst, stays, burst, stays)]
