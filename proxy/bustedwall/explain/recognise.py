"""From a text that somebody has pasted to the symptoms that it tells of."""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bustedwall.explain.model import Symptom, Texts

LONGEST = 1 << 18
"""Characters of a text that are looked at."""

_GAP = "…"
_WIDEST_GAP = 300
"""Characters that … may stand for: an address or a count, not another message."""


@dataclass(frozen=True, slots=True)
class Found:
    """A symptom, and the words by which it was recognised."""

    symptom: Symptom
    program: str
    """Whose words they are; `any program`, or a group of the data."""
    words: str
    """As they stand in the text, in one line."""
    vague: bool
    """Others may say so as well."""
    start: int
    end: int
    exactness: int
    """How many characters of the words are fixed."""


@dataclass(frozen=True, slots=True)
class Near:
    """The known words that are most like a text in which none are known."""

    symptom: Symptom
    program: str
    words: str


def recognise(text: str, texts: Texts) -> list[Found]:
    """Return the symptoms in a text, the one with the most exact words first.

    Words that are part of longer known words count as these. Small and capital letters differ, unless
    nothing is found so.
    """
    text = _name_of(text[:LONGEST])
    found = list(_matches(text, texts, re.NOFLAG)) or list(_matches(text, texts, re.IGNORECASE))
    best: dict[str, Found] = {}
    for one in _outermost(found):
        known = best.get(one.symptom.name)
        if known is None or (known.vague, -known.exactness) > (one.vague, -one.exactness):
            best[one.symptom.name] = one
    exact = {name for name, one in best.items() if not one.vague}
    told = [one for one in best.values() if not (one.vague and exact & set(one.symptom.yields_to))]
    return sorted(told, key=lambda one: -one.exactness)


def nearest(text: str, texts: Texts) -> Near | None:
    """Return the known words that resemble a text the most, None where nothing does."""
    lines = [" ".join(line.split())[:200].lower() for line in text[:LONGEST].splitlines() if line.strip()][:20]
    best: tuple[float, Near] | None = None
    for symptom in texts.symptoms:
        for program, words, _ in symptom.said():
            likeness = max((_likeness(line, words.lower()) for line in lines), default=0.0)
            if best is None or likeness > best[0]:
                best = (likeness, Near(symptom, program, words))
    return best[1] if best is not None and best[0] >= _ALIKE else None


_ALIKE = 0.6
"""difflib's own measure of words that are close."""


def _likeness(line: str, words: str) -> float:
    return difflib.SequenceMatcher(None, line, words).ratio()


def _name_of(text: str) -> str:
    """Return the errno's name for its number alone."""
    number = re.fullmatch(r"\s*-?(\d{1,4})\s*", text)
    return errno.errorcode.get(int(number[1]), text) if number else text


def _matches(text: str, texts: Texts, flags: re.RegexFlag) -> Iterator[Found]:
    lower = text.lower()
    for symptom in texts.symptoms:
        for program, words, vague in symptom.said():
            fixed = words.replace(_GAP, " ")
            # To look for one word first makes a log of a megabyte a matter of a moment.
            if max(fixed.split(), key=len).lower() not in lower:
                continue
            exactness = len(words.replace(_GAP, ""))
            for match in re.finditer(pattern(words), text, flags):
                said = " ".join(match[0].split())
                yield Found(symptom, program, said, vague, match.start(), match.end(), exactness)


def _outermost(found: Iterable[Found]) -> Iterator[Found]:
    """Yield those that are no part of others which say more."""
    around: list[Found] = []
    for one in sorted(found, key=lambda one: (one.start, -one.end, -one.exactness)):
        around = [other for other in around if other.end > one.start]
        if not any(one.end <= other.end and one.exactness < other.exactness for other in around):
            yield one
        around.append(one)


def pattern(words: str) -> str:
    """Return a regular expression for words of the data; those that begin or end with a letter match whole ones."""
    parts = (r"\s+".join(re.escape(word) for word in _spaced(part)) for part in words.split(_GAP))
    inner = f"[^\n]{{1,{_WIDEST_GAP}}}?".join(parts)
    first, last = (r"\b" if edge.isalnum() or edge == "_" else "" for edge in (words[0], words[-1]))
    return first + inner + last


def _spaced(part: str) -> Iterable[str]:
    # Not split(): a space at an edge of a part stands for white space, too.
    return re.split(r"\s+", part)
