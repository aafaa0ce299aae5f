"""Words for messages: alternatives, and the one that somebody probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def either(words: Iterable[str]) -> str:
    """Return alternatives as a sentence has them: `client, server or both`."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def nearest(word: str, right: Iterable[str]) -> str:
    """Return a hint that names the nearest of the right words, or nothing where none is near."""
    lower = {candidate.lower(): candidate for candidate in right}
    # difflib takes quadratic time, and no word of the language is longer.
    close = difflib.get_close_matches(word[:60].lower(), lower, n=1)
    return f"did you mean '{lower[close[0]]}'?" if close else ""


def suggestion(word: str, right: Iterable[str]) -> str:
    """Return a hint: the nearest of the right words, or else all of them."""
    words = list(right)
    return nearest(word, words) or (f"known here: {', '.join(words)}" if words else "")
