"""Pages for a terminal of 80 columns: paragraphs, lists and two columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 80
INDENT = 2
_WIDEST = 24
"""Of a left column; what is wider has a line of its own."""


def paragraph(text: str, first: str = " " * INDENT, rest: str = " " * INDENT) -> str:
    """Return a text in lines that fit; no word is broken, so an address can still be copied."""
    return textwrap.fill(
        " ".join(text.split()),
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def listing(items: Iterable[str]) -> str:
    """Return one item per line, each behind a dash."""
    return "\n".join(paragraph(item, "  - ", "    ") for item in items)


def columns(rows: Sequence[tuple[str, str]], widest: int = _WIDEST) -> str:
    """Return words on the left and what they mean on the right."""
    width = max((len(left) for left, _ in rows if len(left) <= widest), default=0)
    gap = " " * (INDENT + width + 2)
    lines: list[str] = []
    for left, right in rows:
        start = f"  {left}  ".ljust(len(gap))
        if len(start) > len(gap):
            lines.append(start.rstrip())
            start = gap
        lines.append(paragraph(right, start, gap))
    return "\n".join(lines)


def section(title: str, body: str) -> str:
    """Return a body under its title, nothing where there is no body."""
    return f"\n{title}\n{body}\n" if body else ""
