"""The JUnit report: XML as Jenkins, GitLab and what there is for GitHub read it.

A case that FAILED or is VACUOUS is a `failure`, one that is BROKEN an `error`, since the program is not to blame.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement, indent, tostring
from xml.sax.saxutils import escape

from bustedwall.suite.report.plain import for_xml, one_line
from bustedwall.suite.result import CaseResult, SuiteResult, Verdict
from bustedwall.suite.timeline import timeline

_TYPES = {Verdict.FAILED: "failure", Verdict.VACUOUS: "failure", Verdict.BROKEN: "error"}

_OUTPUT = 20_000_000
"""Bytes of all that programs wrote and of what has happened; GitLab takes no report that is longer than 30 MB."""

_LEFT_OUT = "left out: the report would be too long"

_MESSAGE = 500
"""Characters of a message, which is shown on one line; the text below it has the whole sentence."""


def text(result: SuiteResult) -> str:
    """Return the report."""
    broken = result.count(Verdict.BROKEN)
    counts = {
        "tests": str(len(result.cases)),
        "failures": str(result.count(Verdict.FAILED) + result.count(Verdict.VACUOUS)),
        "errors": str(broken),
        "time": f"{sum(case.seconds for case in result.cases):.3f}",
    }
    top = Element("testsuites", {"name": for_xml(result.suite), **counts})
    about = {"skipped": "0", "timestamp": result.at[:19], "file": for_xml(result.file)}
    suite = SubElement(top, "testsuite", {"name": for_xml(result.suite), **counts, **about})
    properties = SubElement(suite, "properties")
    for name, value in (("seed", str(result.seed)), ("bustedwall", result.bustedwall), ("file", result.file)):
        SubElement(properties, "property", {"name": name, "value": for_xml(value)})
    for case, written in zip(result.cases, _outputs(result), strict=True):
        _case(suite, result, case, written)
    indent(top)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(top, encoding="unicode") + "\n"


def _outputs(result: SuiteResult) -> list[str]:
    """Return the output of each case, as far as there is room; those that have not PASSED come first."""
    outputs = [for_xml("\n".join(_written(case))) for case in result.cases]
    room = _OUTPUT
    for number, _ in sorted(enumerate(result.cases), key=lambda one: one[1].verdict is Verdict.PASSED):
        size = len(escape(outputs[number]).encode())
        if size > room:
            outputs[number] = _LEFT_OUT
        else:
            room -= size
    return outputs


def _case(suite: Element, result: SuiteResult, case: CaseResult, written: str) -> None:
    # No file and no line: Jenkins' xUnit plugin takes no file that has them here.
    told = {"classname": for_xml(result.suite), "name": for_xml(case.name), "time": f"{case.seconds:.3f}"}
    own = SubElement(suite, "testcase", told)
    why = [one_line(sentence) for sentence in case.why]
    if case.verdict in _TYPES:
        message = f"{case.verdict.value}: {why[0] if why else ''}"
        message = message if len(message) <= _MESSAGE else f"{message[: _MESSAGE - 1]}…"
        wrong = SubElement(own, _TYPES[case.verdict], {"message": for_xml(message), "type": case.verdict.value})
        wrong.text = for_xml("\n".join([*why, "", f"again: {case.again}"]))
    if written:
        SubElement(own, "system-out").text = written


def _written(case: CaseResult) -> Iterator[str]:
    """Yield what the program wrote, and what has happened."""
    half = len(case.lines) // 2 if case.lines_left_out else len(case.lines)
    for number, line in enumerate(case.lines):
        if number == half:
            yield f"… {case.lines_left_out} lines are left out …"
        yield f"{line.at:8.3f} s  {line.text}"
    happened = timeline(case)
    if happened:
        yield from ("", "what has happened:") if case.lines else ("what has happened:",)
        yield from happened
