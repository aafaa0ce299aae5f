"""Which turns of a client are told, with what, and when."""

from __future__ import annotations

from hashlib import blake2b

import pytest
from tests.flow.play import arm, rule

from bustedwall.flow.commons import Commons
from bustedwall.flow.flow import Flow
from bustedwall.flow.table import FlowTable
from bustedwall.flow.visit import Visit
from bustedwall.policy.rules import AtBytes, AtEof, AtIdle, AtOpen, Rule
from bustedwall.terms.commands import Depth, Note
from bustedwall.terms.dice import Dice
from bustedwall.terms.events import Arrived, Event, Flushed, Opened, Passed, Woke
from bustedwall.terms.facts import TurnSent
from bustedwall.terms.items import FIN, RST, Bytes
from bustedwall.terms.leg import Leg
from bustedwall.terms.passage import OPEN_ROAD, WATCHED_ROAD

CLIENT, SERVER = Leg.CLIENT, Leg.SERVER


def flow_of(*rules: Rule) -> Flow:
    commons = Commons(Dice.seeded(7))
    commons.turns = True
    flow = Flow(rules, commons=commons)
    flow.handle(Opened(), 0.0)
    return flow


def said(flow: Flow, *events: Event, at: float = 1.0) -> list[TurnSent]:
    commands = [command for event in events for command in flow.handle(event, at)]
    return [command.fact for command in commands if isinstance(command, Note) and isinstance(command.fact, TurnSent)]


def turn(number: int, data: bytes, *, answered: bool = True) -> TurnSent:
    return TurnSent(number, len(data), blake2b(data, digest_size=8).hexdigest(), answered)


def client(data: bytes) -> Arrived:
    return Arrived(CLIENT, Bytes(data))


def server(data: bytes) -> Arrived:
    return Arrived(SERVER, Bytes(data))


def test_a_turn_is_told_when_the_server_begins_to_speak() -> None:
    flow = flow_of()
    assert said(flow, server(b"hello"), client(b"GET "), client(b"/")) == []
    assert said(flow, server(b"200")) == [turn(1, b"GET /")]
    assert said(flow, server(b" OK"), client(b"GET /")) == []
    assert said(flow, server(b"200")) == [turn(2, b"GET /")]
    assert flow.last_turn(spoke=True) is None


def test_a_turn_that_nobody_answered_is_told_at_the_end_as_that() -> None:
    flow = flow_of()
    assert said(flow, client(b"GET"), Arrived(CLIENT, RST)) == []
    assert flow.last_turn(spoke=False) == turn(1, b"GET", answered=False)
    assert flow.last_turn(spoke=False) is None


def test_an_answer_that_the_client_did_not_get_is_one() -> None:
    ended = flow_of(rule(AtBytes(CLIENT, 3), arm("reset client")))
    said(ended, client(b"GET"), Flushed(SERVER, Depth.KERNEL))
    assert ended.last_turn(spoke=True) == turn(1, b"GET")

    stalled = flow_of(rule(AtOpen(), arm("stall from server")))
    assert said(stalled, client(b"GET"), server(b"200"), Arrived(CLIENT, RST)) == []
    assert stalled.last_turn(spoke=False) == turn(1, b"GET")


def test_what_comes_after_the_beginning_of_an_answer_is_not_answered_by_it() -> None:
    flow = flow_of(rule(AtOpen(), arm("latency 1s from server")))
    assert said(flow, client(b"a"), server(b"1"), client(b"b")) == []
    assert said(flow, Woke(), at=2.0) == [turn(1, b"ab", answered=False)]


def test_what_faults_have_taken_is_not_in_it() -> None:
    flow = flow_of(rule(AtOpen(), arm("discard 2B from client")))
    said(flow, client(b"abcd"))
    assert said(flow, server(b"x")) == [turn(1, b"cd")]

    cut = flow_of(rule(AtBytes(CLIENT, 2), arm("reset server")))
    said(cut, client(b"abcd"), Flushed(SERVER, Depth.KERNEL))
    assert cut.last_turn(spoke=False) == turn(1, b"ab", answered=False)

    held = flow_of(rule(AtOpen(), arm("stall from client")))
    said(held, client(b"abcd"), Arrived(CLIENT, RST))
    assert held.last_turn(spoke=False) is None


@pytest.mark.parametrize("fault", ["blackhole server", "drop all to server"])
def test_while_what_we_send_is_lost_nothing_is_an_answer_to_it(fault: str) -> None:
    flow = flow_of(rule(AtOpen(), arm(fault, span=5.0)))
    assert said(flow, client(b"a"), server(b"of before")) == [turn(1, b"a", answered=False)]
    assert said(flow, client(b"b"), at=4.0) == []
    assert said(flow, Woke(), server(b"ok"), at=6.0) == [turn(2, b"b")], "TCP has sent it again"


def test_what_was_sent_before_a_loss_is_answered_in_it() -> None:
    flow = flow_of(rule(AtBytes(CLIENT, 1), arm("drop all to server")))
    said(flow, client(b"a"), Flushed(SERVER, Depth.KERNEL))
    assert said(flow, server(b"ok")) == [turn(1, b"a")]


def test_only_what_may_begin_or_end_a_turn_is_looked_at() -> None:
    flow = flow_of()
    assert (flow.passage(CLIENT), flow.passage(SERVER)) == (WATCHED_ROAD, OPEN_ROAD)
    said(flow, client(b"GET"))
    assert (flow.passage(CLIENT), flow.passage(SERVER)) == (WATCHED_ROAD, WATCHED_ROAD)
    said(flow, server(b"200"))
    assert (flow.passage(CLIENT), flow.passage(SERVER)) == (WATCHED_ROAD, OPEN_ROAD)
    assert said(flow, Passed(SERVER, 1 << 20), client(b"GET"), server(b"200")) == [turn(2, b"GET")]


def test_end_of_file_ends_none() -> None:
    flow = flow_of(rule(AtEof(CLIENT), arm("latency 0s from client", span=0.1)))
    assert said(flow, client(b"GET"), Arrived(CLIENT, FIN)) == []
    assert said(flow, server(b"200"), Arrived(SERVER, FIN)) == [turn(1, b"GET")]


def test_without_it_nothing_is_looked_at_or_told() -> None:
    flow = Flow()
    assert said(flow, Opened(), client(b"GET"), server(b"200")) == []
    assert flow.passage(CLIENT) == flow.passage(SERVER) == OPEN_ROAD
    assert flow.last_turn(spoke=True) is None


def test_a_table_gives_each_flow_that_comes_its_logic_and_no_other() -> None:
    table = FlowTable(Dice.seeded(7))
    assert table.admit("127.0.0.1", 0.0) is None
    table.tell_turns(told=True)
    flow = table.admit("127.0.0.1", 0.0)
    assert flow is not None
    assert flow.rest() is None
    late = table.join(Visit(1, "127.0.0.1", 0.0, 0), {CLIENT: 5, SERVER: 5}, opened=True)
    assert said(late, client(b"GET"), server(b"200")) == []


def test_a_flow_that_waits_for_silence_does_not_rest() -> None:
    flow = flow_of(rule(AtIdle(10.0), arm("reset client")))
    said(flow, client(b"GET"))
    assert flow.rest() is None
