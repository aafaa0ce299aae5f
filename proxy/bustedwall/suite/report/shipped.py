"""The files of the page that come with us, and its colours, which are written there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


def shipped(name: str) -> str:
    """Return a file of the page."""
    return (files("bustedwall.suite.report") / "page" / name).read_text(encoding="utf-8")


@cache
def colours() -> Mapping[str, str]:
    """Return the light colours by name."""
    light, _, _ = shipped("page.css").partition("}")
    return dict(re.findall(r"--(\w+): (#\w+)", light))


def fill(name: str) -> str:
    """Return the attributes of what is filled by a colour."""
    # Of the two the class wins, and knows of the dark. Jenkins shows a page without its styles.
    return f'class="f-{name}" fill="{colours()[name]}"'


def stroke(name: str) -> str:
    """Return the attributes of what is drawn by a colour."""
    return f'class="l-{name}" stroke="{colours()[name]}"'


def rules() -> str:
    """Return the style of all that has a colour."""
    return "".join(
        f".f-{name}{{fill:var(--{name})}} .l-{name}{{stroke:var(--{name})}} .legend .b-{name}"
        f"{{border-color:var(--{name})}}\n"
        for name in colours()
    )
