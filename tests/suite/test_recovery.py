"""What counts as the server's first byte after the healing."""

from __future__ import annotations

from bustedwall.suite.recovery import Recovery
from bustedwall.suite.result import Happened


def fact(at: float, name: str, flow: int, **told: object) -> Happened:
    return Happened(at, "db", flow, name, told)


def closed(at: float, flow: int, count: int) -> Happened:
    return fact(at, "flow-closed", flow, from_server=count)


OPEN = (fact(0.1, "flow-accepted", 1), fact(0.2, "flow-accepted", 2))


def test_what_came_before_the_break_does_not_count_however_many_flows_close_later() -> None:
    pool = tuple(fact(0.1, "flow-accepted", flow) for flow in range(25))
    one = Recovery({("db", flow): 500 for flow in range(25)}, len(pool))
    one.look(4.0, {("db", flow): 500 for flow in range(25)})
    assert one.at([*pool, *(closed(5.0, flow, 500) for flow in range(25))]) is None
    assert not one.over


def test_the_first_look_at_which_an_open_flow_has_more_is_when_it_came() -> None:
    one = Recovery({("db", 1): 500, ("db", 2): 0}, len(OPEN))
    one.look(4.0, {("db", 1): 500, ("db", 2): 0})
    assert not one.over
    one.look(4.5, {("db", 1): 500, ("db", 2): 1})
    one.look(6.0, {("db", 1): 600, ("db", 2): 1})
    assert (one.over, one.at(OPEN)) == (True, 4.5)


def test_a_flow_that_closes_between_two_looks_counts_what_is_above_its_bytes_then() -> None:
    one = Recovery({("db", 1): 500}, len(OPEN))
    assert one.at([*OPEN, closed(5.0, 1, 501)]) == 5.0
    new = (fact(4.0, "flow-accepted", 3), closed(4.1, 3, 7))
    assert one.at([*OPEN, *new]) == 4.1
    assert one.at([*OPEN, fact(4.0, "flow-accepted", 3), closed(4.1, 3, 0)]) is None


def test_a_flow_of_before_that_was_not_open_then_has_not_recovered() -> None:
    one = Recovery({("db", 1): 500}, len(OPEN))
    assert one.at([*OPEN, closed(3.0, 2, 900)]) is None, "it was closing as the others were asked"
    assert one.at([*OPEN[:1], closed(0.15, 9, 900), *OPEN[1:]]) is None
