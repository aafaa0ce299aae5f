"""How a process ends: open flows may go on for a while, and what a second and a third signal do."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.relay.peers import HANG, Upstream, dial, recv, send
from tests.relay.rig import Door, Talk, Wall, policy
from twisted.internet.task import Clock

from bustedwall.relay.drain import Drain
from bustedwall.terms.facts import DrainBegan, DrainEnded

# ---- the decision, without sockets


class _Flow:
    """A flow that ends when it is told to."""

    def __init__(self, flows: set[_Flow]) -> None:
        self._flows = flows
        self.drain: Drain | None = None
        flows.add(self)

    def abort(self) -> None:
        self.close()

    def close(self) -> None:
        self._flows.discard(self)
        assert self.drain is not None
        self.drain.flow_closed()


def draining(count: int, seconds: float) -> tuple[Clock, set[Any], Drain, list[object]]:
    clock, flows, facts = Clock(), set(), []
    for _ in range(count):
        _Flow(flows)
    drain = Drain(clock, flows, seconds, facts.append)
    for flow in flows:
        flow.drain = drain
    return clock, flows, drain, facts


def test_a_drain_ends_with_its_last_flow() -> None:
    clock, flows, drain, facts = draining(2, 10.0)
    for flow in tuple(flows):
        assert not drain.over.called
        flow.close()
    assert drain.over.called
    assert facts == [DrainBegan(2, 10.0), DrainEnded(2, 0)]
    assert not clock.getDelayedCalls()


def test_a_drain_ends_what_is_left_when_its_time_is_over_and_not_before() -> None:
    clock, flows, drain, facts = draining(3, 10.0)
    next(iter(flows)).close()
    clock.advance(9.99)
    assert not drain.over.called
    assert len(flows) == 2
    clock.advance(0.01)
    assert drain.over.called
    assert not flows
    assert facts == [DrainBegan(3, 10.0), DrainEnded(1, 2)]


def test_a_drain_may_be_ended_early() -> None:
    clock, flows, drain, facts = draining(3, 10.0)
    drain.end_now()
    assert drain.over.called
    assert not flows
    assert facts == [DrainBegan(3, 10.0), DrainEnded(0, 3)]
    assert not clock.getDelayedCalls()


def test_without_a_flow_there_is_nothing_to_drain_and_nothing_to_tell() -> None:
    clock, _, drain, facts = draining(0, 10.0)
    assert drain.over.called
    assert not facts
    assert not clock.getDelayedCalls()


# ---- the process


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """Listen, where nobody has to accept."""
    upstream = Upstream(4)
    yield upstream
    upstream.sock.close()


def opened(wall: Wall, upstream: Upstream) -> Talk:
    """Open a flow through the only proxy."""
    return Talk(wall, "only", dial(wall.addresses["only"]), upstream.accept())


def test_open_flows_and_their_rules_go_on_and_new_clients_meet_a_closed_port(
    tmp_path: Path, upstream: Upstream
) -> None:
    rule = policy(tmp_path, "late", [{"reset": "both"}], {"bytes": "9B", "from": "server"})
    wall = Wall(tmp_path, [Door("only", upstream.address, [rule])], "--quiet", "--drain", "1h")
    polite, broken = opened(wall, upstream), opened(wall, upstream)
    wall.signal(signal.SIGTERM)
    began = wall.fact("drain-began")
    assert (began["proxy"], began["flows"], began["seconds"]) == ("only", 2, 3600.0)
    with pytest.raises(ConnectionRefusedError):
        dial(wall.addresses["only"])
    for talk in (polite, broken):
        assert talk.server is not None
        assert send(talk.client, b"question") == "ok"
        assert recv(talk.server) == b"question"
        assert send(talk.server, b"answer") == "ok"
        assert recv(talk.client) == b"answer"
    assert polite.server is not None
    assert broken.server is not None
    assert send(broken.server, b"too much") == "ok"
    assert broken.wait("rule-fired")["passed_from_server"] == 9
    polite.client.close()
    assert recv(polite.server) == "EOF"
    polite.server.close()
    assert wall.wait() == 0
    ended = wall.fact("drain-ended")
    assert (ended["drained"], ended["ended"]) == (2, 0)
    assert wall.errors() == ""


def test_after_the_drain_the_rest_is_reset_on_both_legs(tmp_path: Path, upstream: Upstream) -> None:
    wall = Wall(tmp_path, [Door("only", upstream.address)], "--quiet", "--drain", "300ms")
    talk = opened(wall, upstream)
    assert talk.server is not None
    before = time.monotonic()
    wall.signal(signal.SIGTERM)
    assert recv(talk.client) == "ECONNRESET"
    assert time.monotonic() - before >= 0.3
    assert recv(talk.server) == "ECONNRESET"
    assert wall.wait() == 0
    ended = wall.fact("drain-ended")
    assert (ended["drained"], ended["ended"]) == (0, 1)
    assert wall.errors() == ""


def test_a_second_signal_ends_the_drain_now(tmp_path: Path, upstream: Upstream) -> None:
    wall = Wall(tmp_path, [Door("only", upstream.address)], "--quiet", "--drain", "1h")
    talk = opened(wall, upstream)
    assert talk.server is not None
    wall.signal(signal.SIGTERM)
    wall.fact("drain-began")
    wall.signal(signal.SIGINT)
    assert recv(talk.client) == "ECONNRESET"
    assert recv(talk.server) == "ECONNRESET"
    assert wall.wait() == 0
    ended = wall.fact("drain-ended")
    assert (ended["drained"], ended["ended"]) == (0, 1)
    assert wall.errors() == ""


def test_signals_that_come_when_all_is_over_do_not_change_the_exit_status() -> None:
    program = """if True:
        import sys
        from bustedwall.cli.signals import Signals
        signals = Signals(None)
        signals.on_end(None, None)
        signals.leave()
        print("left", flush=True)
        sys.stdin.read()
    """
    words = [sys.executable, "-c", program]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "left\n"
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            child.send_signal(number)
        child.communicate(timeout=HANG)
        assert child.returncode == 0


def test_a_third_signal_ends_a_process_whose_reactor_hangs() -> None:
    program = """if True:
        import time
        from bustedwall.cli.signals import Signals
        class Hanging:
            def callFromThread(self, act): print("told", flush=True)
        Signals(Hanging()).on_end(print, print)
        print("ready", flush=True)
        while True: time.sleep(60)
    """
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        said = [child.stdout.readline()]
        for _ in range(2):
            child.send_signal(signal.SIGTERM)
            said.append(child.stdout.readline())
        child.send_signal(signal.SIGTERM)
        assert child.wait(HANG) == 128 + signal.SIGTERM
    finally:
        child.kill()
        child.communicate()
    assert said == ["ready\n", "told\n", "told\n"]
