"""From a text that somebody has pasted to the symptoms that it tells of."""

from __future__ import annotations

import difflib
import errno
import re
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from bustedwall.explain.model import Symptom, Texts

PIECE = 1 << 17
"""Characters of a text that are looked at at once."""

REACH = 1 << 14
"""Characters to either side that a piece is looked at with: a Java trace with its causes is shorter."""

LAST = 20
"""Lines with something in them that `nearest` compares: the last ones, as a program tells its error at the end."""

_GAP = "…"
_WIDEST_GAP = 300
"""Characters that … may stand for: an address or a count, not another message."""

_CAUSE = "⋮"
_LONGEST_TRACE = 300
"""Lines that ⋮ may stand for."""

_EDGE = "¶"

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # CSI: colours, and what grep erases to the end of the line
    r"|\][^\x07\x1b\n]*(?:\x07|\x1b\\)"  # OSC: links and titles
    r"|[()][0-9A-Z])"  # character sets, which `tput sgr0` sets back as well
)


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
    """Return the symptoms in a text, see `recognise_all`."""
    return recognise_all((text,), texts)


def recognise_all(parts: Iterable[str], texts: Texts) -> list[Found]:
    """Return the symptoms in a text that comes in parts, the one with the most exact words first.

    Words that are part of longer known words count as these. Small and capital letters differ, unless
    nothing is found so. However long the text is, not more than two pieces of it are kept.
    """
    exactly, anyhow = _Best(), _Best()
    for piece in _pieces(parts):
        exactly.add(_told(piece, texts, re.NOFLAG))
        if not exactly.by_symptom:
            anyhow.add(_told(piece, texts, re.IGNORECASE))
    best = exactly.by_symptom or anyhow.by_symptom
    return sorted(best.values(), key=lambda one: (-one.exactness, one.vague))


def nearest(text: str, texts: Texts) -> Near | None:
    """Return the known words that resemble a text's last lines the most, None where nothing does."""
    lines = [" ".join(line.split())[:200].lower() for line in _bare(text).splitlines() if line.strip()][-LAST:]
    best: tuple[float, Near] | None = None
    for symptom in texts.symptoms:
        for program, words, _ in symptom.said():
            likeness = max((_likeness(line, _shown(words).lower()) for line in lines), default=0.0)
            if best is None or likeness > best[0]:
                best = (likeness, Near(symptom, program, _shown(words)))
    return best[1] if best is not None and best[0] >= _ALIKE else None


_ALIKE = 0.6
"""difflib's own measure of words that are close."""


def _likeness(line: str, words: str) -> float:
    return difflib.SequenceMatcher(None, line, words).ratio()


def _shown(words: str) -> str:
    """Return words of the data as somebody may have read them."""
    return words.replace(_EDGE, "").replace(_CAUSE, f" {_GAP} Caused by: ")


def _rank(found: Found) -> tuple[bool, int]:
    return found.vague, -found.exactness


class _Best:
    """The words that speak the most for each symptom, the first of them where several do."""

    def __init__(self) -> None:
        self.by_symptom: dict[str, Found] = {}

    def add(self, found: Iterable[Found]) -> None:
        for one in found:
            known = self.by_symptom.get(one.symptom.name)
            if known is None or _rank(one) < _rank(known):
                self.by_symptom[one.symptom.name] = one


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a text, and as much around it as its words may need to be understood."""

    text: str
    begin: int
    end: int
    """What begins from `begin` to `end` is this piece's own; what is around it has been, or comes, in another."""


def _pieces(parts: Iterable[str]) -> Iterator[_Piece]:
    held, begin, first = "", 0, True
    for part in parts:
        for at in range(0, len(part), PIECE):
            # An escape sequence that is cut by the end of a part is whole, and goes, with the next part.
            held = _bare(held + part[at : at + PIECE])
            end = len(held) - REACH
            if end - begin < PIECE:
                continue
            yield _Piece(held, begin, end)
            kept = max(end - REACH, 0)
            held, begin, first = held[kept:], end - kept, False
    held = _name_of(held) if first else held
    yield _Piece(held, begin, len(held))


def _bare(text: str) -> str:
    """Return a text without what terminals are told by escape sequences."""
    return _ESCAPES.sub("", text) if "\x1b" in text else text


def _told(piece: _Piece, texts: Texts, flags: re.RegexFlag) -> Iterator[Found]:
    """Yield what a piece itself tells, without the vague that others near it make needless."""
    found = list(_outermost(_matches(piece.text, texts, flags)))
    exact: dict[str, list[int]] = {}
    for one in found:
        if not one.vague:
            exact.setdefault(one.symptom.name, []).append(one.start)
    for one in found:
        needless = one.vague and any(_near(one.start, exact.get(name, [])) for name in one.symptom.yields_to)
        if piece.begin <= one.start < piece.end and not needless:
            yield one


def _near(place: int, places: Sequence[int]) -> bool:
    """Return whether one of places, which are in order, is within reach."""
    after = bisect(places, place)
    return any(abs(place - other) <= REACH for other in places[max(after - 1, 0) : after + 1])


def _name_of(text: str) -> str:
    """Return the errno's name for its number alone."""
    number = re.fullmatch(r"\s*-?(\d{1,4})\s*", text)
    return errno.errorcode.get(int(number[1]), text) if number else text


def _matches(text: str, texts: Texts, flags: re.RegexFlag) -> Iterator[Found]:
    lower = text.lower()
    there: dict[str, bool] = {}
    for symptom in texts.symptoms:
        for program, words, vague in symptom.said():
            if flags and _EDGE in words:
                continue  # A line of its own is not enough for words that are found in any letters.
            # To look for fixed words first makes a log of megabytes a matter of a moment.
            if not all(_there(word, lower, there) for word in _fixed(words)):
                continue
            exactness = len(re.sub(f"[{_GAP}{_CAUSE}{_EDGE}]", "", words))
            for match in pattern(words, flags).finditer(text):
                yield Found(symptom, program, _quoted(match[0]), vague, match.start(), match.end(), exactness)


def _there(word: str, lower: str, known: dict[str, bool]) -> bool:
    if word not in known:
        known[word] = word in lower
    return known[word]


@cache
def _fixed(words: str) -> tuple[str, ...]:
    """Return what stands in any text that has these words, the longest first, in small letters."""
    return tuple(sorted(re.sub(f"[{_GAP}{_CAUSE}{_EDGE}]", " ", words).lower().split(), key=lambda word: -len(word)))


def _quoted(said: str) -> str:
    """Return words as they stand in the text, in one line; of a trace its first line and its last."""
    first, *frames = said.splitlines() or [""]
    if frames and "Caused by: " in frames[-1]:
        frames = [_GAP, frames[-1].partition("Caused by: ")[2]]
    return " ".join(" ".join([first, *frames]).split())


def _outermost(found: Iterable[Found]) -> Iterator[Found]:
    """Yield those that are no part of others which say more."""
    around: list[Found] = []
    for one in sorted(found, key=lambda one: (one.start, -one.end, -one.exactness)):
        around = [other for other in around if other.end > one.start]
        if not any(one.end <= other.end and one.exactness < other.exactness for other in around):
            yield one
        around.append(one)


@cache
def pattern(words: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    """Return a regular expression for words of the data; those that begin or end with a letter match whole ones."""
    alone = words.strip(_EDGE)
    causes = [_in_a_line(part) for part in alone.split(_CAUSE)]
    first, last = (r"\b" if edge.isalnum() or edge == "_" else "" for edge in (alone[0], alone[-1]))
    if words.startswith(_EDGE):
        first = r"^[^\S\n]*" + first
    if words.endswith(_EDGE):
        last += r"(?=[^\S\n]*$)"
    return re.compile(first + _TRACE.join(causes) + last, flags | re.MULTILINE)


_TRACE = (
    # The rest of the line, then frames and other causes, whatever a log writes before each of them. Each line is
    # taken in one way only: a trace that ends otherwise would be tried in every combination.
    r"[^\n]*+(?>\n[^\n]*(?:\sat [\w.$/<>@-]+\(|\.\.\. \d+ more|Caused by: )[^\n]*)"
    f"{{0,{_LONGEST_TRACE}}}?"
    r"\n[^\n]*Caused by: "
)


def _in_a_line(words: str) -> str:
    parts = [r"\s+".join(map(re.escape, _spaced(part))) for part in words.split(_GAP)]
    joined = parts[0]
    for part in parts[1:]:
        if part:
            # Not over the slash that ends it: several gaps would be tried in every combination.
            stands = r"[^\n/]" if part[0] == "/" else r"[^\n]"
            joined += f"{stands}{{1,{_WIDEST_GAP}}}?{part}"
        else:
            # At the end: all of what is not white space, or else the shortest, a digit of a number, would do.
            joined += f"\\S{{1,{_WIDEST_GAP}}}"
    return joined


def _spaced(part: str) -> Iterable[str]:
    # Not split(): a space at an edge of a part stands for white space, too.
    return re.split(r"\s+", part)
