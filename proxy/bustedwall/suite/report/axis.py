"""The time axis that all pictures of a case share, so that what is above each other was at one time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from bustedwall.suite.report.plain import for_xml
from bustedwall.suite.report.shipped import fill
from bustedwall.suite.result import CaseResult

WIDTH = 960
LEFT, RIGHT = 80, 920
"""Where the axis begins and ends, of WIDTH; page.js has the same for its charts."""

_LETTER = 8
"""Width of a letter, with some room."""


@dataclass(frozen=True, slots=True)
class Axis:
    """From 0 to the end of a case."""

    end: float
    """Seconds."""

    @classmethod
    def of(cls, case: CaseResult) -> Axis:
        """Return the axis of a case."""
        return cls(max(case.seconds, 0.001))

    def x(self, at: float) -> float:
        """Return where a time is."""
        return LEFT + (RIGHT - LEFT) * min(max(at / self.end, 0.0), 1.0)

    def shades(self, case: CaseResult, top: int, bottom: int) -> Iterator[str]:
        """Yield the parts of a case, behind all else."""
        for phase in case.phases:
            left, right = self.x(phase.began), self.x(phase.ended)
            yield (
                f'<rect x="{left:.1f}" y="{top}" width="{max(right - left, 0.5):.1f}" height="{bottom - top}" '
                f"{fill(phase.name.value)}><title>{phase.name.value}</title></rect>"
            )

    def names(self, case: CaseResult, y: int) -> Iterator[str]:
        """Yield what the parts are called, where there is room."""
        for phase in case.phases:
            left, name = self.x(phase.began), phase.name.value
            if self.x(phase.ended) - left > _LETTER * len(name):
                yield f'<text x="{left + 4:.1f}" y="{y}">{name}</text>'


def opening(kind: str, height: int, label: str) -> str:
    """Return the tag that begins a picture."""
    return (
        f'<svg class="{kind}" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{safe(label)}" '
        f'font-size="11" font-family="sans-serif">'
    )


def safe(said: str) -> str:
    """Return a text as an element or an attribute can have it."""
    # What XML cannot hold a browser would not show either; and a lone surrogate is no UTF-8.
    return escape(for_xml(said))
