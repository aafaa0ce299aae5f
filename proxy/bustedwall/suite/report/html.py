"""The HTML report: one file that needs no network, and no scripts either; with them its charts can be looked into."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import groupby

from bustedwall.suite.report.axis import safe
from bustedwall.suite.report.course import course
from bustedwall.suite.report.lanes import SIGNS_SAID, lanes
from bustedwall.suite.report.picture import firings, picture
from bustedwall.suite.report.shipped import rules, shipped
from bustedwall.suite.result import CaseResult, Happened, Phase, SuiteResult, Verdict
from bustedwall.suite.timeline import fields_of

_ROWS = 300
"""Rows of a case's timeline at most; the first ones and the last ones."""

_FEWEST_ROWS = 60
"""The same where there are many cases."""

_ALL_ROWS = 20_000
"""Rows of the page, shared by its cases: more would make a browser slow."""

_PAGE = 16_000_000
"""Characters of all pictures and timelines; those of cases that have not PASSED are there first."""

_OPEN = 10
"""Cases that have not PASSED are shown open, so many of them."""

_SIGNS = {Verdict.PASSED: "✓", Verdict.FAILED: "✗", Verdict.VACUOUS: "○", Verdict.BROKEN: "!"}

_MEANS = {
    Verdict.PASSED: "the fault was there, and the program did what was expected",
    Verdict.FAILED: "the program did something else",
    Verdict.VACUOUS: "the program did what was expected, and a fault that it should have met had no effect",
    Verdict.BROKEN: "nothing can be said of the program",
}


def text(result: SuiteResult) -> str:
    """Return the report."""
    scripts = (shipped("uplot/uPlot.iife.min.js"), shipped("page.js"))
    style = f"{shipped('uplot/uPlot.min.css')}{shipped('page.css')}{rules()}"
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"style-src {_hash(style)}; script-src {' '.join(map(_hash, scripts))}"
    )
    counts = ", ".join(f"{count} {verdict.value}" for verdict in Verdict if (count := result.count(verdict)))
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{safe(result.suite)}: {counts}</title>",
            f"<style>{style}</style></head><body>",
            *_head(result, counts),
            "<main>",
            *_grid(result),
            *_cases(result),
            "</main>",
            # Its licence asks that each copy has it.
            f"<!-- {shipped('uplot/NOTICE')}\n{shipped('uplot/LICENSE')}-->",
            *(f"<script>{script}</script>" for script in scripts),
            "</body></html>",
            "",
        ]
    )


def _head(result: SuiteResult, counts: str) -> Iterator[str]:
    yield f"<header><h1>{safe(result.suite)}</h1>"
    yield f"<p><strong>{counts or 'no case'}</strong> in {result.seconds:.1f} s</p>"
    yield (
        f'<p class="quiet">{safe(result.file)}, seed {result.seed}, {safe(result.at[:19])} UTC, '
        f"{result.jobs} at once, bustedwall {safe(result.bustedwall)}</p>"
    )
    yield "<p class=quiet>" + "; ".join(
        f"{_badge(verdict)} {meaning}" for verdict, meaning in _MEANS.items() if result.count(verdict)
    )
    yield '</p><div class="filter" hidden role="group" aria-label="show">'
    yield f'<button value="" aria-pressed="true">all {len(result.cases)}</button>'
    for verdict in Verdict:
        if count := result.count(verdict):
            yield (
                f'<button value="{verdict.value}" class="{verdict.value}" aria-pressed="false">'
                f"{_SIGNS[verdict]} {verdict.value} {count}</button>"
            )
    yield "</div></header>"


def _grid(result: SuiteResult) -> Iterator[str]:
    """Yield the table of scenarios by policies."""
    columns = list(dict.fromkeys(_policies(case) for case in result.cases))
    scenarios = list(dict.fromkeys(case.scenario for case in result.cases))
    cells: dict[tuple[str, str], list[str]] = {}
    for number, case in enumerate(result.cases):
        label = f"{case.verdict.value} {case.name}"
        cells.setdefault((case.scenario, _policies(case)), []).append(
            f'<a class="badge {case.verdict.value}" href="#case-{number}" title="{safe(label)}" '
            f'aria-label="{safe(label)}">{_SIGNS[case.verdict]} {case.verdict.value}</a>'
        )
    yield '<h2 id="grid">Scenarios and policies</h2>'
    yield '<div class="wide" tabindex="0" role="region" aria-labelledby="grid"><table><thead><tr><th>scenario</th>'
    yield "".join(f'<th scope="col">{safe(column)}</th>' for column in columns) + "</tr></thead><tbody>"
    for scenario in scenarios:
        row = "".join(f"<td>{'<br>'.join(cells.get((scenario, column), ()))}</td>" for column in columns)
        yield f'<tr><th scope="row">{safe(scenario)}</th>{row}</tr>'
    yield "</tbody></table></div>"


def _cases(result: SuiteResult) -> Iterator[str]:
    yield "<h2>Cases</h2>"
    opened = 0
    details = _details(result)
    for number, case in enumerate(result.cases):
        shown = case.verdict is not Verdict.PASSED and opened < _OPEN
        opened += shown
        yield (
            f'<details class="case" id="case-{number}" data-verdict="{case.verdict.value}"{" open" if shown else ""}>'
            f'<summary>{_badge(case.verdict)} <span class="name">{safe(case.name)}</span> '
            f'<span class="quiet">{case.seconds:.2f} s {safe(case.why[0]) if case.why else ""}</span></summary>'
        )
        yield '<div class="inside">'
        yield from _said(case)
        yield details[number]
        yield "</div></details>"


def _details(result: SuiteResult) -> list[str]:
    """Return the pictures and the timeline of each case, as far as there is room."""
    rows = min(_ROWS, max(_FEWEST_ROWS, _ALL_ROWS // max(len(result.cases), 1)))
    several = len({fact.proxy for case in result.cases for fact in case.facts if fact.proxy is not None}) > 1
    found = ['<p class="quiet">What has happened is left out: the page would be too long. --json has it.</p>'] * len(
        result.cases
    )
    room = _PAGE
    for number, case in sorted(enumerate(result.cases), key=lambda one: one[1].verdict is Verdict.PASSED):
        made = "\n".join([*_figure(case), *_events(case, rows, several=several)])
        room -= len(made)
        if room < 0:
            break
        found[number] = made
    return found


def _said(case: CaseResult) -> Iterator[str]:
    if case.about:
        yield f"<p>{safe(case.about)}</p>"
    if case.why:
        yield '<ul class="why">' + "".join(f"<li>{safe(sentence)}</li>" for sentence in case.why) + "</ul>"
    if case.policies:
        yield f"<p>Policies: {', '.join(f'<code>{safe(policy)}</code>' for policy in case.policies)}</p>"
    yield f'<div class="again"><pre>{safe(case.again)}</pre><button class="copy" hidden>copy</button></div>'


def _figure(case: CaseResult) -> Iterator[str]:
    """Yield what a case carried, and its flows below, on one time axis."""
    if not case.facts and not case.samples and not case.lines:
        return
    told = course(case)
    data = {
        "data": [told.times, told.from_client, told.from_server, told.again],
        "phases": [(phase.name.value, phase.began, phase.ended) for phase in case.phases],
        "fired": firings(case),
        "end": told.times[-1],
    }
    # Nothing in it can end the element: `<` is written as what JSON reads as `<`.
    embedded = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    legend = " ".join(
        f'<span><i class="b-{name}"></i>{what}</span>'
        for name, what in (
            ("client", "bytes from the client"),
            ("server", "bytes from the server"),
            ("again", "segments sent again, by the scale on the right"),
            ("quiet", "a rule fired"),
        )
    )
    yield '<figure data-chart><div class="scroll" tabindex="0" role="region" aria-label="pictures">'
    yield f'<div class="drawn">{picture(case, told)}</div>{lanes(case)}</div>'
    yield f'<figcaption class="legend">{legend} <span>{SIGNS_SAID}</span></figcaption>'
    yield f'<script type="application/json">{embedded}</script></figure>'


def _events(case: CaseResult, most: int, *, several: bool) -> Iterator[str]:
    """Yield the timeline: both legs, what was done in between, and what the program wrote beside it."""
    found: list[tuple[float, Phase | Happened | str]] = [(phase.began, phase) for phase in case.phases]
    found += [(fact.at, fact) for fact in case.facts]
    found += _written(case)
    if not found:
        return
    found.sort(key=lambda one: one[0])
    half = most // 2
    if len(found) <= most:
        rows = [_any_row(*one, several=several) for one in found]
    else:
        gap = f'<tr class="phase"><th colspan="5">… {len(found) - 2 * half} rows are left out …</th></tr>'
        first, last = ([_any_row(*one, several=several) for one in part] for part in (found[:half], found[-half:]))
        rows = [*first, gap, *last]
    more = [f"{case.facts_left_out} facts" if case.facts_left_out else ""]
    more += [f"{case.lines_left_out} lines of output" if case.lines_left_out else ""]
    yield '<h3>What has happened</h3><table class="events"><thead><tr><th scope="col">time</th>'
    yield '<th scope="col">client\'s leg</th><th scope="col">in between</th><th scope="col">server\'s leg</th>'
    yield '<th scope="col">the program wrote</th></tr></thead><tbody>'
    yield "\n".join(rows) + "</tbody></table>"
    if any(more):
        yield f'<p class="quiet">Not kept: {" and ".join(filter(None, more))}.</p>'


def _written(case: CaseResult) -> Iterator[tuple[float, str]]:
    """Yield the program's output with its times; what came at one time is one text."""
    for at, lines in groupby(case.lines, key=lambda line: line.at):
        yield at, "\n".join(line.text for line in lines)


def _any_row(at: float, one: Phase | Happened | str, *, several: bool) -> str:
    match one:
        case Phase():
            return _phase_row(at, one.name.value)
        case Happened():
            return _fact_row(one, several=several)
        case str():
            return _row(at, ("", "", "", one))


def _fact_row(fact: Happened, *, several: bool) -> str:
    proxy = f"{fact.proxy} " if several and fact.proxy is not None else ""
    where = proxy if fact.flow is None else f"{proxy}flow {fact.flow} "
    leg = fact.told.get("leg")
    said = f"{where}{fact.fact} {fields_of(fact, without=('leg',))}".strip()
    return _row(fact.at, {"client": (said, "", "", ""), "server": ("", "", said, "")}.get(str(leg), ("", said, "", "")))


def _row(at: float, cells: Sequence[str]) -> str:
    names = ("client's leg", "", "server's leg", "wrote")
    looks = ("c", "", "s", "out")
    told = "".join(
        f'<td class="{look}"{f" data-of={chr(34)}{name}{chr(34)}" if name else ""}>{safe(cell)}</td>'
        for look, name, cell in zip(looks, names, cells, strict=True)
    )
    return f'<tr><td class="t">{at:.3f} s</td>{told}</tr>'


def _phase_row(at: float, name: str) -> str:
    return f'<tr class="phase"><td class="t">{at:.3f} s</td><th colspan="4" scope="rowgroup">{name}</th></tr>'


def _badge(verdict: Verdict) -> str:
    return f'<span class="badge {verdict.value}">{_SIGNS[verdict]} {verdict.value}</span>'


def _policies(case: CaseResult) -> str:
    return ", ".join(policy.partition(":")[0] for policy in case.policies) or "none"


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
