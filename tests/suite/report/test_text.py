"""The reports that programs read."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.suite.report.made import HOSTILE, case, result, whole

from bustedwall.policy.schema import text_of
from bustedwall.suite import report
from bustedwall.suite.report.plain import for_xml
from bustedwall.suite.result import Line, Verdict

DOCS = Path(__file__).parents[3] / "docs"


def test_the_json_is_as_its_schema_says_and_has_all() -> None:
    told = json.loads(report.as_json.text(whole()))
    jsonschema.validate(told, report.as_json.schema())
    assert [one["verdict"] for one in told["cases"]] == ["PASSED", "FAILED", "VACUOUS", "BROKEN", "FAILED"]
    assert told["cases"][-1]["why"][0] == HOSTILE
    assert told["cases"][0]["phases"][1] == {"name": "break", "began": 0.5, "ended": 1.5}


@given(st.text(st.characters(categories=["L", "N", "P", "Z", "C", "S"])))
def test_what_a_program_writes_comes_through_json_as_it_is(text: str) -> None:
    made = case(Verdict.FAILED, name=text, why=(text,), lines=(Line(0.0, text),))
    told = json.loads(report.as_json.text(result(made)).encode("ascii"))
    assert (told["cases"][0]["name"], told["cases"][0]["lines"]) == (text, [{"at": 0.0, "text": text}])


def test_the_schema_of_the_report_is_that_of_the_docs() -> None:
    assert (DOCS / "schema" / "report.json").read_text() == text_of(report.as_json.schema())


def test_junit_counts_and_says_why() -> None:
    root = ET.fromstring(report.junit.text(whole()))
    assert root.tag == "testsuites"
    (suite,) = root
    assert {key: suite.attrib[key] for key in ("tests", "failures", "errors", "skipped", "time")} == {
        "tests": "5",
        "failures": "3",
        "errors": "1",
        "skipped": "0",
        "time": "12.500",
    }
    assert suite.attrib["timestamp"] == "2026-11-26T10:20:30"
    cases = suite.findall("testcase")
    assert [[child.tag for child in one] for one in cases] == [
        ["system-out"],
        ["failure", "system-out"],
        ["failure", "system-out"],
        ["error", "system-out"],
        ["failure", "system-out"],
    ]
    failure = cases[1].find("failure")
    assert failure is not None
    assert failure.attrib == {"message": "FAILED: it ended with exit 1, expected 0", "type": "FAILED"}
    assert failure.text == (
        "it ended with exit 1, expected 0\ncut never fired\n\n"
        "again: bustedwall test s.yaml --seed 7 -k 'one[after=1kB]'"
    )
    written = (cases[1].findtext("system-out") or "").splitlines()
    assert written[:4] == ["   0.200 s  warm", "   1.050 s  Connection reset by peer", "", "what has happened:"]
    assert "   1.000 s  db flow 1 reset-sent leg=client cause=cut/now" in written
    assert cases[1].attrib == {"classname": "pool", "name": "one-failed[after=1kB]", "time": "2.500"}


def test_junit_has_what_jenkins_xsd_allows_and_nothing_else() -> None:
    # The structure of junit-10.xsd, by which the xUnit plugin of Jenkins refuses reports.
    allowed = {
        "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
        "testsuite": (
            {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "file"},
            {"properties", "testcase", "system-out", "system-err"},
        ),
        "properties": (set(), {"property"}),
        "property": ({"name", "value"}, set()),
        "testcase": ({"name", "classname", "time"}, {"failure", "error", "skipped", "system-out", "system-err"}),
        "failure": ({"message", "type"}, set()),
        "error": ({"message", "type"}, set()),
        "system-out": (set(), set()),
    }
    for element in ET.fromstring(report.junit.text(whole())).iter():
        keys, children = allowed[element.tag]
        assert set(element.attrib) <= keys
        assert {child.tag for child in element} <= children
        assert re.fullmatch(r"\d+\.\d{3}", element.attrib.get("time", "0.000"))


@given(st.text(st.characters(categories=["L", "N", "P", "Z", "C", "S"]), min_size=1))
def test_what_a_program_writes_comes_through_xml_or_is_shown(text: str) -> None:
    text = text.replace("\n", " ")
    made = case(Verdict.FAILED, name=text, why=(text,), lines=(Line(0.0, text),), facts=(), phases=())
    written = report.junit.text(result(made))
    root = ET.fromstring(written.encode("utf-8"))
    said = root.find(".//system-out")
    assert said is not None
    assert said.text == f"   0.000 s  {for_xml(text)}"
    name = root.find(".//testcase")
    assert name is not None
    # A parser reads white space in an attribute as spaces, unless it is written as a reference (XML §3.3.3).
    assert name.attrib["name"] == for_xml(text)


def test_characters_that_xml_has_not_are_shown() -> None:
    assert for_xml("a\x00b\x1b[0m\ud800\ufffe\r\n\t") == "a␀b␛[0m\\ud800\\ufffe␍\n\t"


def test_junit_is_bounded_and_tells_what_it_leaves_out() -> None:
    lines = tuple(Line(n / 10, f"line {n}") for n in range(4))
    long = case(Verdict.FAILED, why=("long " * 1000,), lines=lines, lines_left_out=9)
    root = ET.fromstring(report.junit.text(result(long)))
    failure = root.find(".//failure")
    assert failure is not None
    assert len(failure.attrib["message"]) == 500
    assert ("long " * 1000).strip() in (failure.text or "")
    written = (root.findtext(".//system-out") or "").splitlines()
    assert written[:5] == [
        "   0.000 s  line 0",
        "   0.100 s  line 1",
        "… 9 lines are left out …",
        "   0.200 s  line 2",
        "   0.300 s  line 3",
    ]


def test_junit_as_a_whole_is_no_longer_than_gitlab_takes() -> None:
    lines = tuple(Line(n / 1000, "&" * 1_000) for n in range(800))
    cases = [
        case(verdict, lines=lines) for _ in range(2) for verdict in (Verdict.PASSED, Verdict.FAILED, Verdict.BROKEN)
    ]
    text = report.junit.text(result(*cases))
    assert 16_000_000 < len(text.encode()) < 30_000_000
    outputs = [one.text or "" for one in ET.fromstring(text).iter("system-out")]
    assert [output.startswith("left out") for output in outputs] == [True, False, False, True, False, False]


def test_github_is_told_at_the_line_of_the_scenario() -> None:
    told = report.github.commands(
        replace(result(case(Verdict.PASSED), case(Verdict.FAILED, line=4)), file="faults/a,b:c.yaml")
    )
    assert told == (
        "::error file=faults/a%2Cb%3Ac.yaml,line=4,title=FAILED one-failed[after=1kB]::"
        "it ended with exit 1, expected 0%0Acut never fired%0A"
        "again: bustedwall test s.yaml --seed 7 -k 'one[after=1kB]'\n"
    )


def test_the_summary_is_a_table_that_no_text_breaks() -> None:
    rows = [line for line in report.github.summary(whole()).splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 5
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) == 5
    assert "\\<script\\>" in rows[-2]
    assert "PASSED" in rows[-1], "what has not comes first"


def test_github_is_told_no_more_than_it_shows() -> None:
    told = report.github.commands(result(*[case(Verdict.FAILED)] * 15)).splitlines()
    assert len(told) == 10
    assert told[-1] == (
        "::error file=s.yaml,title=pool::6 more cases have not PASSED: the log and the summary have them"
    )
    assert len(report.github.commands(result(*[case(Verdict.FAILED)] * 10)).splitlines()) == 10


def test_the_summary_is_no_longer_than_github_takes() -> None:
    text = report.github.summary(result(*[case(Verdict.FAILED, why=("ü" * 10_000,))] * 2_000))
    assert 800_000 < len(text.encode()) < 1 << 20
    left_out = re.search(r"^(\d+) cases are left out\.$", text, re.MULTILINE)
    assert left_out
    assert text.count("❌") + int(left_out[1]) == 2_000


@pytest.mark.parametrize("form", ["as_json", "junit", "html"])
def test_equal_results_give_equal_reports(form: str) -> None:
    assert getattr(report, form).text(whole()) == getattr(report, form).text(whole())
    assert getattr(report, form).text(result()).strip()
