"""A chart as SVG: what is there where scripts are not."""

from __future__ import annotations

from collections.abc import Sequence

from bustedwall.suite.report.axis import LEFT, RIGHT, Axis, opening
from bustedwall.suite.report.course import Course
from bustedwall.suite.report.shipped import stroke
from bustedwall.suite.result import CaseResult

_HEIGHT = 190
_TOP, _BOTTOM = 12, 160

FIRINGS = 200
"""Firings of rules that are shown; the first ones."""


def firings(case: CaseResult) -> list[float]:
    """Return when rules fired."""
    return [one.at for one in case.facts if one.fact == "rule-fired"][:FIRINGS]


def picture(case: CaseResult, told: Course) -> str:
    """Return the SVG of a case's bytes and retransmissions, with its parts shaded."""
    axis = Axis.of(case)
    most, again = max(*told.from_client, *told.from_server, 1), max(*told.again, 4)

    def line(values: Sequence[int], highest: int, look: str) -> str:
        path = [f"M{axis.x(told.times[0]):.1f} {_y(values[0], highest):.1f}"]
        path += [f"H{axis.x(at):.1f}V{_y(value, highest):.1f}" for at, value in zip(told.times, values, strict=True)]
        return f'<path d="{"".join(path)}" fill="none" stroke-width="2" {look}/>'

    fired = [
        f'<line x1="{axis.x(at):.1f}" x2="{axis.x(at):.1f}" y1="{_TOP}" y2="{_BOTTOM}" {stroke("quiet")}/>'
        for at in firings(case)
    ]
    return "".join(
        [
            opening("chart", _HEIGHT, _said(told)),
            *axis.shades(case, _TOP, _BOTTOM),
            *axis.names(case, _TOP + 12),
            *fired,
            f'<path d="M{LEFT} {_TOP}V{_BOTTOM}H{RIGHT}" fill="none" {stroke("line")}/>',
            line(told.from_client, most, stroke("client")),
            line(told.from_server, most, stroke("server")),
            line(told.again, again, f'stroke-dasharray="4 4" {stroke("again")}'),
            f'<text x="{LEFT - 6}" y="{_TOP + 8}" text-anchor="end">{bytes_said(most)}</text>',
            f'<text x="{LEFT - 6}" y="{_BOTTOM}" text-anchor="end">0</text>',
            f'<text x="{RIGHT + 6}" y="{_TOP + 8}">{again}</text>',
            f'<text x="{LEFT}" y="{_BOTTOM + 16}">0 s</text>',
            f'<text x="{RIGHT}" y="{_BOTTOM + 16}" text-anchor="end">{axis.end:.2f} s</text>',
            "</svg>",
        ]
    )


def bytes_said(count: float) -> str:
    """Return a number of bytes as people read it: `1.5 kB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":  # noqa: PLR2004 (of one unit to the next)
            break
        count /= 1000
    return f"{count:.3g} {unit}"


def _said(told: Course) -> str:
    return (
        f"{bytes_said(told.from_client[-1])} from the client and {bytes_said(told.from_server[-1])} from the server "
        f"in {told.times[-1]:.2f} s, {told.again[-1]} segments sent again"
    )


def _y(value: int, highest: int) -> float:
    return _BOTTOM - (_BOTTOM - _TOP - 4) * value / highest
