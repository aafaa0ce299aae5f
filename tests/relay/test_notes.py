"""A fact is never early: who acts on it at once meets what it tells of."""

from __future__ import annotations

import errno
import socket

import pytest_twisted
from tests.flow.play import arm, rule
from tests.relay.inside import relaying, so
from tests.relay.peers import FAMILY, Upstream, dial, send, until
from twisted.internet.threads import deferToThread

from bustedwall.policy.address import Address
from bustedwall.policy.rules import AtApplied, AtBytes
from bustedwall.relay.notes import Notes
from bustedwall.terms.facts import Fact, FaultArmed, PeerFinished
from bustedwall.terms.leg import Leg

RULE = rule(AtBytes(Leg.CLIENT, 1), arm("reset client"))


CLOSED = 7
"""TCP_CLOSE of tcpi_state."""


def state(sock: socket.socket) -> int:
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


class Told(Notes):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.facts: list[Fact] = []

    def record(self, fact: Fact) -> None:
        self.facts.append(fact)


def test_facts_of_a_performance_wait_for_its_end_in_their_order() -> None:
    told, facts = Told(), [PeerFinished(Leg.CLIENT), PeerFinished(Leg.SERVER), PeerFinished(Leg.CLIENT)]
    told.begin()
    for fact in facts[:2]:
        told.note(fact)
    assert (told.performing, told.facts) == (True, [])
    told.end()
    told.note(facts[2])
    assert (told.performing, told.facts) == (False, facts)


@pytest_twisted.ensureDeferred
async def test_when_a_reset_is_told_the_peer_has_it(version: int) -> None:
    upstream = Upstream(version)
    states: list[int] = []
    with relaying(Address.parse(upstream.address), version=version, rules=(RULE,)) as (proxy, records):
        client: list[socket.socket] = []

        def look(fact: Fact) -> None:
            if isinstance(fact, FaultArmed):
                # The proxy stands still meanwhile. A busy kernel may take its time with a segment that it has.
                until(lambda: state(client[0]) == CLOSED, "the peer has the RST")
                states.append(state(client[0]))

        records.watch = look
        client.append(await deferToThread(dial, (proxy.address.host, proxy.address.port)))
        await deferToThread(send, client[0], b"a byte")
        await so(lambda: states, "the fault is armed")
    upstream.sock.close()
    assert states == [CLOSED]


@pytest_twisted.ensureDeferred
async def test_when_a_fault_of_the_door_is_told_the_door_is_so(version: int) -> None:
    upstream = Upstream(version)
    with relaying(Address.parse(upstream.address), version=version) as (proxy, records):
        knocks: list[int] = []
        where = (proxy.address.host, proxy.address.port)

        def knock(fact: Fact) -> None:
            if isinstance(fact, FaultArmed):
                with socket.socket(FAMILY[version]) as sock:
                    knocks.append(sock.connect_ex(where))

        records.watch = knock
        proxy.apply((rule(AtApplied(), arm("refuse")),))
        await so(lambda: knocks, "the fault is armed")
    upstream.sock.close()
    assert knocks == [errno.ECONNREFUSED]
