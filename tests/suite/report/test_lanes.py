"""Flows as lanes: what a bar says, by its title."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from tests.suite.report.made import case

from bustedwall.suite.report.axis import LEFT, RIGHT, Axis
from bustedwall.suite.report.course import MOST, course
from bustedwall.suite.report.lanes import FLOWS, lanes
from bustedwall.suite.result import Happened, Line, Phase, PhaseName, Sample, Verdict

PARTS = {phase.value for phase in PhaseName}


def titles(*facts: Happened, lines: tuple[Line, ...] = ()) -> list[str]:
    root = ET.fromstring(lanes(case(Verdict.PASSED, facts=facts, lines=lines)))
    return [one.text or "" for one in root.iter("title") if one.text not in PARTS]


def happened(at: float, fact: str, **told: object) -> Happened:
    return Happened(at, "db", 1, fact, told)


OPENED = (happened(0.1, "flow-accepted"), happened(0.2, "flow-opened"))


def test_a_leg_lives_until_it_ends_or_its_flow_does() -> None:
    reset = happened(1.0, "reset-sent", leg="client", cause="cut/now")
    told = titles(*OPENED, reset, happened(1.5, "flow-closed"))
    assert told[:2] == ["0.100 s to 1.000 s client's leg", "0.200 s to 1.500 s server's leg"]
    assert told[2] == "1.000 s reset-sent leg=client cause=cut/now"


def test_a_flow_that_is_still_open_lives_until_the_end() -> None:
    assert titles(*OPENED) == ["0.100 s to 2.500 s client's leg", "0.200 s to 2.500 s server's leg"]


def test_a_loss_lasts_until_it_is_set_anew() -> None:
    began = happened(0.5, "loss-set", leg="server", losses=["all from"], error=None)
    refused = happened(1.2, "loss-set", leg="server", losses=["all to"], error="EPERM")
    assert "0.500 s to 1.200 s server's leg loses segments" in titles(*OPENED, began, refused)
    healed = happened(0.9, "loss-set", leg="server", losses=[], error=None)
    told = titles(*OPENED, began, healed)
    assert [one for one in told if "loses" in one] == ["0.500 s to 0.900 s server's leg loses segments"]


def test_a_fault_lasts_from_its_arming_to_its_end() -> None:
    fault = {"rule": "slow/all", "fault": "latency 1s"}
    told = titles(*OPENED, happened(0.3, "fault-armed", **fault), happened(0.8, "fault-ended", **fault, why="over"))
    assert "0.300 s to 0.800 s slow/all latency 1s" in told
    assert "0.300 s to 2.500 s slow/all latency 1s" in titles(*OPENED, happened(0.3, "fault-armed", **fault))


def test_what_is_done_at_the_door_has_a_lane_of_its_own() -> None:
    fault = {"rule": "refused/refuse", "fault": "refuse"}
    door = [Happened(at, "db", None, fact, fault) for at, fact in ((0.5, "fault-armed"), (0.9, "fault-ended"))]
    changed = Happened(0.5, "db", None, "rules-changed", {"added": []})
    told = titles(*OPENED, *door, changed)
    assert told[0] == "0.500 s to 0.900 s refused/refuse refuse", "above the flows"
    drawn = lanes(case(Verdict.PASSED, facts=(*OPENED, *door)))
    assert re.findall(r">(door|flow 1|output)</text>", drawn) == ["door", "flow 1", "output"]
    other = Happened(0.6, "cache", 1, "flow-accepted", {})
    drawn = lanes(case(Verdict.PASSED, facts=(*OPENED, *door, other)))
    assert re.findall(r">(db door|db 1|cache 1)</text>", drawn) == ["db door", "db 1", "cache 1"]


def test_output_is_on_the_same_axis_and_text() -> None:
    root = ET.fromstring(lanes(case(Verdict.PASSED, facts=(), lines=(Line(1.25, "<b>half</b>"),))))
    (mark,) = (one for one in root.iter("rect") if one.findtext("title") not in PARTS)
    assert float(mark.attrib["x"]) + 1 == (LEFT + RIGHT) / 2
    assert mark.findtext("title") == "1.250 s <b>half</b>"


def test_nothing_is_drawn_of_nothing() -> None:
    assert lanes(case(Verdict.BROKEN, facts=(), lines=())) == ""


def test_many_flows_are_told_and_not_drawn() -> None:
    facts = tuple(Happened(0.1, "db", n, "flow-accepted", {}) for n in range(FLOWS + 7))
    drawn = lanes(case(Verdict.PASSED, facts=facts))
    assert "… and 7 more flows" in drawn
    assert len(re.findall("client&#x27;s leg", drawn)) == FLOWS


def test_what_was_before_or_after_is_at_the_ends() -> None:
    axis = Axis(2.0)
    assert (axis.x(-1.0), axis.x(0.0), axis.x(2.0), axis.x(9.0)) == (LEFT, LEFT, RIGHT, RIGHT)


def test_a_part_is_named_where_there_is_room() -> None:
    phases = (Phase(PhaseName.WARM, 0.0, 0.01), Phase(PhaseName.BREAK, 0.01, 2.5))
    made = case(Verdict.PASSED, phases=phases)
    assert re.findall(r">(warm|break)</text>", "".join(Axis.of(made).names(made, 10))) == ["break"]
    assert [one.count("<title>") for one in Axis.of(made).shades(made, 0, 9)] == [1, 1]


def test_a_course_is_the_sum_of_flows_and_never_falls() -> None:
    samples = (
        Sample(0.1, "db", 1, 10, 100, 1, None),
        Sample(0.1, "db", 2, 5, 50, None, None),
        Sample(0.2, "db", 1, 20, 100, None, None),
        Sample(9.0, "db", 2, 6, 50, 0, 2),
    )
    told = course(case(Verdict.PASSED, samples=samples, facts=()))
    assert told.times == (0.0, 0.1, 0.2, 2.5)
    assert told.from_client == (0, 15, 25, 26)
    assert told.again == (0, 1, 1, 3)


def test_a_course_has_no_more_points_than_a_screen() -> None:
    samples = tuple(Sample(n / 1000, "db", 1, n, n, 0, 0) for n in range(2_000))
    told = course(case(Verdict.PASSED, samples=samples, facts=()))
    assert len(told.times) == MOST
    assert (told.times[0], told.times[-1], told.from_client[-1]) == (0.0, 2.5, 1_999)
