"""Flows as lanes, drawn as SVG: how long each leg lived, what was done to it, and when the program wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bustedwall.suite.report.axis import LEFT, RIGHT, Axis, opening, safe
from bustedwall.suite.report.shipped import fill, stroke
from bustedwall.suite.result import CaseResult, Happened, Line
from bustedwall.suite.timeline import fields_of

FLOWS = 20
"""Flows that are shown; the first ones."""

DOORS = 5
"""Doors of proxies that are shown; the first ones."""

MARKS = 60
"""Marks of one lane; the first ones."""

LINES = 200
"""Lines of output that have a mark; the first ones."""

_LANE, _BAR, _TOP = 32, 8, 20
_TITLE = 200
"""Characters of what is told of a mark."""

_SIGNS = {
    "rule-fired": "▼",
    "reset-sent": "✕",
    "leg-closed": "✕",
    "peer-lost": "⚡",
    "peer-finished": "▸",
    "write-lost": "∅",
    "segments-rejected": "⊘",
    "loss-evidence": "≈",
    "leg-blocked": "‖",
    "flow-failed": "!",
}

SIGNS_SAID = (
    "▼ a rule fired, ✕ we ended the leg, ⚡ its peer did by a RST, ▸ its peer sent FIN, ≈ a loss, ‖ it was blocked"
)
"""What the signs mean."""

_ENDS = frozenset({"reset-sent", "leg-closed", "peer-lost"})

_AT_DOOR = frozenset({"rule-fired", "fault-armed", "fault-ended"})
"""Facts that are of no flow where they are of what meets those who connect."""

_LEGS = ("client", "server")


@dataclass(slots=True)
class _Lane:
    """One flow."""

    name: str
    began: dict[str, float] = field(default_factory=dict)
    """By leg."""
    ended: dict[str, float] = field(default_factory=dict)
    armed: dict[tuple[str, str], float] = field(default_factory=dict)
    """When a fault that is in force was armed, by its rule and its words."""
    faults: list[tuple[float, float, str]] = field(default_factory=list)
    losing: dict[str, float] = field(default_factory=dict)
    """Since when a leg loses segments."""
    lost: list[tuple[str, float, float]] = field(default_factory=list)
    marks: list[Happened] = field(default_factory=list)

    def take(self, one: Happened) -> None:
        """Learn what has happened to it."""
        leg = one.told.get("leg")
        fault = (str(one.told.get("rule")), str(one.told.get("fault")))
        match one.fact:
            case "flow-accepted":
                self.began["client"] = one.at
            case "flow-opened":
                self.began["server"] = one.at
            case "flow-closed" | "flow-failed":
                self.over(one.at)
            case "fault-armed":
                self.armed.setdefault(fault, one.at)
            case "fault-ended" if fault in self.armed:
                self.faults.append((self.armed.pop(fault), one.at, " ".join(fault)))
            case "loss-set" if leg in _LEGS:
                self._loses(leg, one)
        if one.fact in _ENDS and leg in _LEGS:
            self.ended.setdefault(leg, one.at)
        if one.fact in _SIGNS and len(self.marks) < MARKS:
            self.marks.append(one)

    def over(self, at: float) -> None:
        """Have all ended that has not."""
        for leg in _LEGS:
            self.ended.setdefault(leg, at)
            if leg in self.losing:
                self.lost.append((leg, self.losing.pop(leg), at))
        self.faults += [(since, at, " ".join(fault)) for fault, since in self.armed.items()]
        self.armed.clear()

    def _loses(self, leg: str, one: Happened) -> None:
        if leg in self.losing:
            self.lost.append((leg, self.losing.pop(leg), one.at))
        if one.told.get("losses") and not one.told.get("error"):
            self.losing[leg] = one.at


def lanes(case: CaseResult) -> str:
    """Return the SVG; nothing: there was no flow, and nothing was written."""
    doors, flows = _found(case)
    shown = [*doors[:DOORS], *flows[:FLOWS]]
    rows = len(shown) + bool(case.lines)
    if not rows:
        return ""
    axis, bottom = Axis.of(case), _TOP + rows * _LANE
    left_out = max(0, len(flows) - FLOWS)
    label = f"{len(flows)} flows over {axis.end:.2f} s{f', the first {FLOWS} are shown' if left_out else ''}"
    drawn = [*axis.shades(case, _TOP - 12, bottom), *axis.names(case, _TOP - 2)]
    for number, lane in enumerate(shown):
        drawn += _lane(lane, _TOP + number * _LANE, axis)
    if case.lines:
        drawn += _output(case.lines[:LINES], bottom - _LANE, axis)
    more = (
        f'<text x="{RIGHT}" y="{bottom + 14}" text-anchor="end">… and {left_out} more flows</text>' if left_out else ""
    )
    return (
        f"{opening('lanes', bottom + 20, label)}"
        f'{"".join(drawn)}<path d="M{LEFT} {bottom}H{RIGHT}" {stroke("line")}/>{more}</svg>'
    )


def _found(case: CaseResult) -> tuple[list[_Lane], list[_Lane]]:
    """Return the doors at which something was done, and the flows."""
    facts = [one for one in case.facts if one.proxy is not None and (one.flow is not None or one.fact in _AT_DOOR)]
    several = len({one.proxy for one in facts}) > 1
    found: dict[tuple[str | None, int | None], _Lane] = {}
    for one in facts:
        name = f"{one.proxy} {one.flow or 'door'}" if several else f"flow {one.flow}" if one.flow else "door"
        found.setdefault((one.proxy, one.flow), _Lane(name)).take(one)
    for lane in found.values():
        lane.over(case.seconds)
    doors = [lane for (_, flow), lane in found.items() if flow is None]
    return doors, [lane for (_, flow), lane in found.items() if flow is not None]


def _lane(lane: _Lane, y: int, axis: Axis) -> Iterator[str]:
    yield f'<text x="{LEFT - 6}" y="{y + 18}" text-anchor="end">{safe(_cut(lane.name, 12))}</text>'
    tops = {"client": y + 3, "server": y + 3 + _BAR + 6}
    for leg, began in lane.began.items():
        yield _bar(axis, began, lane.ended[leg], tops[leg], f'{fill(leg)} opacity=".55"', f"{leg}'s leg")
    for leg, since, until in lane.lost:
        yield _bar(axis, since, until, tops[leg], fill("again"), f"{leg}'s leg loses segments")
    for since, until, said in lane.faults[:MARKS]:
        yield _bar(axis, since, until, y + 3 + _BAR, f'{fill("again")} opacity=".35"', said, height=6)
    for one in lane.marks:
        middle = tops.get(str(one.told.get("leg")), y + 10) + _BAR
        said = f"{one.at:.3f} s {one.fact} {fields_of(one)}"
        yield (
            f'<text class="mark" x="{axis.x(one.at):.1f}" y="{middle}" text-anchor="middle">{_SIGNS[one.fact]}'
            f"<title>{safe(_cut(said, _TITLE))}</title></text>"
        )


def _output(lines: Sequence[Line], y: int, axis: Axis) -> Iterator[str]:
    yield f'<text x="{LEFT - 6}" y="{y + 18}" text-anchor="end">output</text>'
    for line in lines:
        said = safe(_cut(f"{line.at:.3f} s {line.text}", _TITLE))
        x = axis.x(line.at)
        yield f'<rect x="{x - 1:.1f}" y="{y + 6}" width="2" height="{_LANE - 12}" {fill("text")}>'
        yield f"<title>{said}</title></rect>"


def _bar(axis: Axis, since: float, until: float, y: int, look: str, said: str, *, height: int = _BAR) -> str:
    left = axis.x(since)
    width = max(axis.x(until) - left, 1.0)
    title = safe(_cut(f"{since:.3f} s to {until:.3f} s {said}", _TITLE))
    return f'<rect x="{left:.1f}" y="{y}" width="{width:.1f}" height="{height}" {look}><title>{title}</title></rect>'


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
