"""A kernel that takes what it is told and does nothing, or refuses: the proxy must not believe itself."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence

import pytest
import pytest_twisted
from tests.flow.play import arm, rule
from tests.relay.inside import Records, relaying, so
from tests.relay.peers import Upstream, abort, dial, read_exactly, recv, send
from twisted.internet.threads import deferToThread

from bustedwall.kernel import endings, loss
from bustedwall.policy.address import Address
from bustedwall.policy.rules import AtBytes, AtOpen, Rule, Wait
from bustedwall.relay import perform, rejection
from bustedwall.relay.tidying import Tidying
from bustedwall.relay.vigil import Vigil
from bustedwall.terms.facts import EndingEvidence, Fact, FlowClosed, LossEvidence, LossSet, PeerLost, WriteLost
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import Losses
from bustedwall.terms.verdict import Verdict

AFTER_A_BYTE = AtBytes(Leg.CLIENT, 1)


@pytest.fixture
def upstream(version: int) -> Iterator[Upstream]:
    upstream = Upstream(version)
    yield upstream
    upstream.sock.close()


async def talk(upstream: Upstream, version: int, rules: tuple[Rule, ...], calls: Sequence[str]) -> Records:
    """Run a proxy with these rules; send between its two ends, `client: text`, and require that it arrives."""
    with relaying(Address.parse(upstream.address), version=version, rules=rules) as (proxy, records):
        client = await deferToThread(dial, (proxy.address.host, proxy.address.port))
        server = await deferToThread(upstream.accept)
        ends = {"client": (client, server), "server": (server, client)}
        for call in calls:
            who, _, text = call.partition(": ")
            assert await deferToThread(send, ends[who][0], text.encode()) == "ok"
            assert await deferToThread(read_exactly, ends[who][1], len(text)) == text.encode()
        abort(server)
        await so(lambda: records.count(LossEvidence) + records.count(EndingEvidence), "there is evidence")
    return records


def only(records: Records, kind: type[LossEvidence | EndingEvidence]) -> LossEvidence | EndingEvidence:
    """Return the one fact of a kind."""
    (fact,) = [fact for _, fact in records.facts if isinstance(fact, kind)]
    return fact


@pytest.mark.parametrize("fault", ["drop all from client", "drop all to client", "blackhole client"])
@pytest_twisted.ensureDeferred
async def test_a_loss_that_the_kernel_takes_and_does_not_do_is_ineffective(
    upstream: Upstream, version: int, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perform, "apply_losses", lambda *_: None)
    records = await talk(upstream, version, (rule(AtOpen(), arm(fault)),), ["client: up", "server: down", "client: x"])
    fact = only(records, LossEvidence)

    assert fact.verdict is Verdict.INEFFECTIVE
    assert fact.causes == (f"test/rule: {fault}",)


@pytest.mark.parametrize("fault", ["drop all from client", "drop all to client", "blackhole client"])
@pytest_twisted.ensureDeferred
async def test_a_loss_that_the_kernel_refuses_is_ineffective_and_the_refusal_is_a_fact(
    upstream: Upstream, version: int, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(perform, "apply_losses", refuse)
    records = await talk(upstream, version, (rule(AtOpen(), arm(fault)),), ["client: up", "server: down", "client: x"])

    assert only(records, LossEvidence).verdict is Verdict.INEFFECTIVE
    assert [fact.error for _, fact in records.facts if isinstance(fact, LossSet)] == ["EPERM"]


@pytest_twisted.ensureDeferred
async def test_what_cannot_be_answered_is_not_lost_and_the_refusal_is_a_fact(
    upstream: Upstream, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "no descriptor is left")

    monkeypatch.setattr(rejection, "Rejecter", refuse)
    rules = (rule(AtOpen(), arm("reject from client")),)
    records = await talk(upstream, version, rules, ["client: up", "server: down", "client: x"])

    assert only(records, LossEvidence).verdict is Verdict.INEFFECTIVE
    assert [fact.error for _, fact in records.facts if isinstance(fact, LossSet)] == ["EMFILE"]


@pytest_twisted.ensureDeferred
async def test_of_a_loss_both_ways_nothing_is_left_when_one_way_is_refused(
    upstream: Upstream, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, lost: bool) -> None:
        if lost:
            raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(loss, "lose_outgoing", refuse)
    rules = (rule(AtOpen(), arm("blackhole client")),)
    records = await talk(upstream, version, rules, ["client: up", "server: down"])

    assert only(records, LossEvidence).verdict is Verdict.INEFFECTIVE


@pytest_twisted.ensureDeferred
async def test_a_write_that_cannot_be_lost_is_sent_and_the_refusal_is_a_fact(
    upstream: Upstream, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(perform, "lose_outgoing", refuse)
    rules = (rule(AtOpen(), arm("drop next_write to client")), rule(AFTER_A_BYTE, arm("reset client"), name="test/end"))
    with relaying(Address.parse(upstream.address), version=version, rules=rules) as (proxy, records):
        client = await deferToThread(dial, (proxy.address.host, proxy.address.port))
        server = await deferToThread(upstream.accept)
        await deferToThread(send, server, b"answer")
        assert await deferToThread(read_exactly, client, 6) == b"answer"

    assert [(fact.losses, fact.error) for _, fact in records.facts if isinstance(fact, LossSet)] == [
        (("next_write to",), "EPERM")
    ]
    assert [(fact.size, fact.not_lost) for _, fact in records.facts if isinstance(fact, WriteLost)] == [(0, 6)]


@pytest_twisted.ensureDeferred
async def test_a_peer_that_resets_just_when_its_write_is_lost_is_met_by_the_next_read(
    upstream: Upstream, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = (rule(AtOpen(), arm("drop next_write to client")),)
    with relaying(Address.parse(upstream.address), version=version, rules=rules) as (proxy, records):
        client = await deferToThread(dial, (proxy.address.host, proxy.address.port))
        server = await deferToThread(upstream.accept)

        def reset_before_it_is_lifted(sock: socket.socket, *, lost: bool) -> None:
            if not lost:
                abort(client)
            loss.lose_outgoing(sock, lost=lost)

        monkeypatch.setattr(perform, "lose_outgoing", reset_before_it_is_lifted)
        await deferToThread(send, server, b"answer")
        assert await deferToThread(recv, server) == "ECONNRESET"
        await so(lambda: records.count(FlowClosed), "the flow is closed")

    told = [fact for _, fact in records.facts if isinstance(fact, LossSet | PeerLost)]
    assert told == [LossSet(Leg.CLIENT, (), "ENOTCONN"), PeerLost(Leg.CLIENT, "ECONNRESET")]


@pytest_twisted.ensureDeferred
async def test_a_write_whose_loss_has_no_effect_is_ineffective(
    upstream: Upstream, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perform, "lose_outgoing", lambda *_, **__: None)
    rules = (rule(AtOpen(), arm("drop next_write to client")),)
    records = await talk(upstream, version, rules, ["server: answer"])

    assert only(records, LossEvidence).verdict is Verdict.INEFFECTIVE


@pytest_twisted.ensureDeferred
async def test_who_cannot_vanish_is_heard_and_says_so(
    upstream: Upstream, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(endings, "lose_outgoing", refuse)
    rules = (rule(AFTER_A_BYTE, arm("vanish client")),)
    with relaying(Address.parse(upstream.address), version=version, rules=rules) as (proxy, records):
        client = await deferToThread(dial, (proxy.address.host, proxy.address.port))
        await deferToThread(send, client, b"x")
        assert await deferToThread(recv, client) == "ECONNRESET"

    fact = only(records, EndingEvidence)
    assert fact.verdict is Verdict.INEFFECTIVE
    assert fact.cause == "test/rule"


@pytest_twisted.ensureDeferred
async def test_a_reset_behind_a_loss_that_cannot_be_lifted_is_not_heard_and_says_so(
    upstream: Upstream, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = loss.apply_losses

    def set_only(sock: socket.socket, losses: loss.Losses, *before: Losses) -> None:
        if not losses:
            raise PermissionError(errno.EPERM, "no")
        apply(sock, losses, *before)

    monkeypatch.setattr(perform, "apply_losses", set_only)
    rules = (rule(AtOpen(), arm("drop all to client"), Wait(0.1), arm("reset client")),)
    with relaying(Address.parse(upstream.address), version=version, rules=rules) as (proxy, records):
        client = await deferToThread(dial, (proxy.address.host, proxy.address.port))
        await so(lambda: records.count(EndingEvidence), "the leg has ended")
        client.settimeout(0)
        assert recv(client) == "EAGAIN"

    assert only(records, EndingEvidence).verdict is Verdict.INEFFECTIVE


@pytest_twisted.ensureDeferred
async def test_a_flow_leaves_no_timer_of_its_evidence_behind(upstream: Upstream, version: int) -> None:
    # The look that may say more comes 400 ms after the loss; the flow is gone by then.
    rules = (rule(AtBytes(Leg.SERVER, 1), arm("drop all to client", span=0.05)),)
    with relaying(Address.parse(upstream.address), version=version, rules=rules) as (proxy, records):
        client = await deferToThread(dial, (proxy.address.host, proxy.address.port))
        server = await deferToThread(upstream.accept)
        known: list[int] = []

        def end_when_healed(fact: Fact) -> None:
            if isinstance(fact, LossSet) and not fact.losses:
                known.append(records.count(LossEvidence))
                client.close()
                server.close()

        records.watch = end_when_healed  # at that moment: a test's thread may be late by more than 400 ms
        await deferToThread(send, server, b"not lost, lost")
        await so(lambda: records.count(LossEvidence), "the verdict comes with the end of the leg")
        assert known == [0], "it could not be known when the loss was healed"
        await so(lambda: records.count(FlowClosed), "the flow is closed")
        heap = [s for _, _, s in proxy.alarm._heap if s.alarm is not None and not isinstance(s, Tidying | Vigil)]
    assert not heap
