"""The page: what is in it, and what Chromium makes of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.suite.report.browser import Browser
from tests.suite.report.made import case, result, whole

from bustedwall.suite.report import html
from bustedwall.suite.report.plain import for_xml
from bustedwall.suite.result import Happened, Line, SuiteResult, Verdict

VOID = {"meta", "br"}


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.scripts = 0
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID and tag != "p":
            self.open.append(tag)
        self.scripts += tag == "script"
        for name, value in attrs:
            assert not name.startswith("on"), "no handler in an attribute"
            assert name not in ("src", "href") or str(value).startswith("#"), "nothing from elsewhere"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {"path", "line"}

    def handle_endtag(self, tag: str) -> None:
        if tag != "p":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_what_is_hostile_is_text() -> None:
    page = html.text(whole())
    reader = Reader()
    reader.feed(page)
    assert not reader.open, "each element is closed"
    assert reader.scripts == 2 + len(whole().cases), "ours, and the data of the charts"
    assert "</script><script>document.title = 'taken'</script>" in reader.text
    page.encode("utf-8")


@given(
    st.text(st.characters(categories=["L", "N", "P", "Z", "C", "S"]))
    | st.sampled_from(["<!--", "</", "<script", "&lt"])
)
@settings(max_examples=30)
def test_whatever_is_written_is_text(text: str) -> None:
    fact = Happened(0.5, text, 1, "rule-fired", {"rule": text, "leg": "client"})
    made = case(Verdict.FAILED, name=text, scenario=text, about=text, why=(text,), policies=(text,), again=text)
    made = replace(made, lines=(Line(0.0, text),), facts=(fact,))
    page = html.text(replace(result(made), suite=text, file=text, at=text, bustedwall=text))
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open
    assert reader.scripts == 3
    assert for_xml(text).replace("\r", "\n") in reader.text.replace("\r", "\n")
    page.encode("utf-8")


def test_the_licence_of_what_is_embedded_is_there() -> None:
    page = html.text(whole())
    assert page.index("<!-- uPlot 1.6.32") < page.index("Permission is hereby granted") < page.index("<script>")


def test_all_is_there_without_scripts() -> None:
    page = html.text(whole())
    for what in ("one-passed", "it ended with exit 1, expected 0", "Connection reset by peer", "reset-sent"):
        assert what in page
    assert page.count('<svg class="chart"') == page.count('<svg class="lanes"') == len(whole().cases)
    assert "Not kept: 3 facts and 5 lines of output." in page
    assert "display: none" not in "".join(re.findall(r"<details.*?>", page))


def test_a_long_case_stays_a_page() -> None:
    facts = tuple(Happened(n / 1000, "db", n, "flow-accepted", {"client": "127.0.0.1:5"}) for n in range(5_000))
    page = html.text(result(*(case(Verdict.PASSED, facts=facts) for _ in range(4))))
    assert "rows are left out" in page
    assert "… and 4980 more flows" in page
    assert len(page) < 700_000


def test_a_report_of_many_cases_stays_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [case(verdict) for verdict in Verdict for _ in range(5)]
    whole_page = html.text(result(*made))
    assert "is left out: the page" not in whole_page
    details = sum(map(len, html._details(result(*made))))
    monkeypatch.setattr(html, "_PAGE", details * 9 // 10)
    page = html.text(result(*made))
    assert len(page) < len(whole_page)
    left_out = re.findall(r'data-verdict="(\w+)"[^>]*>(?:(?!</details>).)*is left out: the page', page, re.DOTALL)
    assert left_out == ["PASSED", "PASSED"], "the last ones; those that have not PASSED have theirs"


def test_lines_that_came_at_one_time_are_one_row() -> None:
    lines = (Line(0.2, "one"), Line(0.2, "two"), Line(0.3, "three"))
    page = html.text(result(case(Verdict.PASSED, lines=lines)))
    assert ">one\ntwo</td>" in page
    assert ">three</td>" in page


def test_rows_name_the_proxy_where_there_are_several() -> None:
    assert "db flow 1" not in html.text(result(case(Verdict.PASSED)))
    other = Happened(0.2, "cache", 1, "flow-accepted", {"client": "127.0.0.1:7"})
    two = case(Verdict.PASSED, facts=(*case(Verdict.PASSED).facts, other))
    page = html.text(result(two))
    assert "db flow 1 reset-sent" in page
    assert "cache flow 1 flow-accepted" in page


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return written(tmp_path, whole())


def written(folder: Path, result: SuiteResult) -> Path:
    path = folder / "report.html"
    path.write_text(html.text(result), encoding="utf-8")
    return path


CANVASES = "document.querySelectorAll('canvas').length"
"""Charts that are drawn."""

SHOWN = "[...document.querySelectorAll('details.case')].filter(one => one.checkVisibility()).length"


@pytest.mark.real("chromium")
@pytest.mark.timeout(200)
def test_chromium_draws_the_charts_and_runs_nothing_of_what_is_hostile(browser: Browser, page: Path) -> None:
    shown = browser.open(page)
    assert shown.value("document.documentElement.className") == "scripted"
    assert shown.value("document.title").startswith("pool: ")
    assert shown.value(CANVASES) == sum(one.verdict is not Verdict.PASSED for one in whole().cases), "of what is open"
    assert shown.value("document.scripts.length") == 2 + len(whole().cases)
    assert not shown.said()


@pytest.mark.real("chromium")
@pytest.mark.timeout(200)
def test_chromium_filters_by_verdict_and_opens_what_a_link_names(browser: Browser, page: Path) -> None:
    shown = browser.open(page)
    assert shown.value(SHOWN) == 5
    shown.value("document.querySelector('.filter [value=FAILED]').click()")
    assert shown.value(SHOWN) == 2
    assert shown.value("document.querySelector('.filter [aria-pressed=true]').value") == "FAILED"
    drawn = shown.value(CANVASES)
    shown.value("document.querySelector('a[href=\\'#case-0\\']').click()")
    shown.until(f"{CANVASES} === {drawn + 1}")
    assert shown.value("document.getElementById('case-0').open")
    assert shown.value(SHOWN) == 3, "a link shows what the filter had hidden"
    shown.value("document.querySelector('details[open] .copy').click()")
    shown.until("['copied', 'selected'].includes(document.querySelector('details[open] .copy').textContent)")
    assert not shown.said()


@pytest.mark.real("chromium")
@pytest.mark.timeout(200)
def test_chromium_draws_anew_for_another_scheme_and_prints_pictures(browser: Browser, page: Path) -> None:
    shown = browser.open(page)
    shown.look(dark=True)
    shown.until("getComputedStyle(document.body).color === 'rgb(229, 231, 234)'")
    shown.until(f"{CANVASES} === 4")
    shown.value("for (const one of document.querySelectorAll('details')) one.open = false")
    shown.look(dark=False)
    shown.until(f"{CANVASES} === 0")
    shown.value("document.querySelector('details').open = true")
    shown.until(f"{CANVASES} === 1")
    shown.look("print")
    seen = "document.querySelector('details[open] {}').checkVisibility()"
    assert shown.value(seen.format("svg.chart"))
    assert not shown.value(seen.format(".uplot"))
    assert not shown.said()


@pytest.mark.real("chromium")
@pytest.mark.timeout(200)
def test_chromium_shows_all_with_scripts_off(browser: Browser, page: Path) -> None:
    shown = browser.open(page, scripts=False)
    assert shown.value("document.documentElement.className") == ""
    assert shown.value(CANVASES) == 0
    pictures = (
        "[...document.querySelectorAll('details[open] svg')].filter(one => one.getBoundingClientRect().height > 40)"
    )
    assert shown.value(f"{pictures}.length") == 2 * 4, "the chart and the lanes of each case that is open"
    text = shown.value("document.body.innerText")
    for what in (
        "it ended with exit 1, expected 0",
        "Connection reset by peer",
        "reset-sent",
        "bustedwall test s.yaml",
    ):
        assert what in text
    assert "copy" not in text, "no button that does nothing"


@pytest.mark.real("chromium")
@pytest.mark.timeout(200)
def test_chromium_shows_pictures_where_no_style_is_allowed(browser: Browser, page: Path) -> None:
    # As Jenkins serves what a build has archived.
    policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'self'\">"
    page.write_text(page.read_text(encoding="utf-8").replace("<head>", f"<head>{policy}"), encoding="utf-8")
    shown = browser.open(page)
    assert shown.value("document.styleSheets.length") == 0
    assert shown.value(CANVASES) == 0
    assert (
        shown.value("getComputedStyle(document.querySelector('details[open] .l-client')).stroke") == "rgb(11, 98, 184)"
    )
    assert (
        shown.value("getComputedStyle(document.querySelector('details[open] .lanes .f-server')).fill")
        == "rgb(176, 74, 0)"
    )
    assert "copy" not in shown.value("document.body.innerText"), "no button that does nothing"


@pytest.mark.real("chromium")
@pytest.mark.timeout(200)
@pytest.mark.parametrize("scripts", ["on", "off"])
@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_chromium_has_room_and_contrast(browser: Browser, page: Path, width: int, look: str, scripts: str) -> None:
    shown = browser.open(page, width=width, dark=look == "dark", scripts=scripts == "on")
    inner, scrolls = shown.value("[innerWidth, document.documentElement.scrollWidth]")
    assert inner == width
    assert scrolls <= inner, "no sideways scrolling of the page"
    colours = "['--text', '--quiet', '--link', '--passed', '--failed', '--vacuous', '--broken', '--client', '--server']"
    style = "getComputedStyle(document.documentElement).getPropertyValue"
    for ground in ("--ground", "--panel"):
        for colour in shown.value(f"{colours}.map(name => {style}(name).trim())"):
            assert contrast(colour, shown.value(f"{style}('{ground}').trim()")) >= 4.5
    assert shown.picture().startswith(b"\x89PNG")


@pytest.mark.real("chromium")
@pytest.mark.timeout(200)
def test_chromium_opens_a_long_report_soon(browser: Browser, tmp_path: Path) -> None:
    facts = tuple(Happened(n / 1000, "db", n, "flow-accepted", {"client": "127.0.0.1:5"}) for n in range(1_000))
    shown = browser.open(written(tmp_path, result(*[case(Verdict.FAILED, facts=facts)] * 200)))
    assert shown.value(SHOWN) == 200
    assert shown.value(CANVASES) == 10, "the others once they are opened"
    # In milliseconds, of Chromium's own clock: 2,000 on a machine that does little else. For ever, that is.
    assert shown.value("performance.getEntriesByType('navigation')[0].loadEventEnd") < 60_000


def contrast(one: str, other: str) -> float:
    """Return the ratio by which WCAG 2 measures contrast, of colours such as #fff or #1a2b3c."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
