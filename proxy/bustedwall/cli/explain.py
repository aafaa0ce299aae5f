"""`bustedwall explain`: what an error text means, what may be behind it, and what does the same."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

import click

from bustedwall.cli.exits import Exit
from bustedwall.cli.layout import paragraph, section
from bustedwall.cli.trying import commands
from bustedwall.explain.model import Cause, Look, Texts, load
from bustedwall.explain.recognise import LAST, PIECE, Found, Near, nearest, recognise_all
from bustedwall.policy import library
from bustedwall.policy.load import load_policy
from bustedwall.policy.words import either

NEXT = (
    "Look for the call that failed and its errno: `strace -f -e trace=network -p PID` shows both.",
    "Take a capture at both ends, `tcpdump -w FILE host PEER`, and see who has sent a FIN or a RST, or nothing.",
    "`bustedwall explain ERRNO`, such as ECONNRESET, EPIPE, ETIMEDOUT or ECONNREFUSED, tells what may be behind it.",
)
"""What to do about words that nobody knows."""


@click.command()
@click.argument("text", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
def explain(text: tuple[str, ...], *, as_json: bool) -> None:
    """Tell what an error means: TEXT is an errno, an error message or lines of a log; '-' reads them from stdin.

    \b
    bustedwall explain ECONNRESET
    bustedwall explain 'upstream prematurely closed connection'
    journalctl -u web --since -1h | bustedwall explain -

    It says which symptom it is, what the likely causes are, how to tell them apart, which policy does the
    same, and what helps. It ends with 1 where it knows none of the words.
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    parts = _Parts(_read(sys.stdin.buffer) if text == ("-",) else [" ".join(text)])
    texts = load()
    found = recognise_all(parts, texts)
    near = None if found else nearest(parts.end, texts)
    if not found and parts.long:
        click.echo(f"All of it was looked at; what is most like it was looked for in its last {LAST} lines.", err=True)
    if as_json:
        click.echo(json.dumps(_as_json(found, near), indent=2, ensure_ascii=False))
    else:
        click.echo(_pages(found) if found else _unknown(near, texts), nl=False)
    sys.exit(Exit.OK if found else Exit.FINDING)


def _read(stream: IO[bytes]) -> Iterator[str]:
    """Yield what a stream has, as text, whatever bytes it may be."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    while data := stream.read(PIECE):
        yield decoder.decode(data)
    yield decoder.decode(b"", final=True)


class _Parts:
    """The parts of a text, of which the end is kept."""

    def __init__(self, parts: Iterable[str]) -> None:
        self._parts = parts
        self._lines = 0
        self.end = ""

    @property
    def long(self) -> bool:
        """Whether there is more than `nearest` compares."""
        return self._lines > LAST

    def __iter__(self) -> Iterator[str]:
        """Yield each part once."""
        for part in self._parts:
            self.end = (self.end + part)[-PIECE:]
            self._lines += part.count("\n")
            yield part


def _pages(found: Sequence[Found]) -> str:
    if len(found) == 1:
        return _page(found[0])
    titles = "\n".join(paragraph(one.symptom.title, "  - ", "    ") for one in found)
    return "\n\n".join([f"These words tell of more than one thing:\n{titles}", *map(_page, found)])


def _page(found: Found) -> str:
    symptom = found.symptom
    words = paragraph(f'"{found.words}" ({found.program})')
    head = f"{_capital(symptom.title)}\n{words}\n"
    parts = [
        ("What that says", paragraph(symptom.means)),
        ("Likely causes", "\n\n".join(_cause(number, cause) for number, cause in enumerate(symptom.causes, 1))),
        ("How to tell them apart", "\n".join(_look(look, symptom.causes) for look in symptom.looks)),
    ]
    return head + "".join(section(title, body) for title, body in parts)


def _look(look: Look, causes: Sequence[Cause]) -> str:
    where = _capital(look.where)
    lines = [paragraph(where if where.endswith("?") else f"{where}:")]
    for answer in look.answers:
        told = set(map(_name, answer.policies))
        numbers = [str(number) for number, cause in enumerate(causes, 1) if told & set(map(_name, cause.policies))]
        means = f": cause {either(numbers)}" if numbers else ""
        lines.append(paragraph(f"{answer.seen}{means}", "    - ", "      "))
    return "\n".join(lines)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _cause(number: int, cause: Cause) -> str:
    gap = " " * 5
    lines = [paragraph(f"{cause.what}.", f"  {number}. ", gap)]
    if cause.policies:
        use, *others = cause.policies
        lines += [f"{gap}$ {commands(use)[0]}", *(f"{gap}  {line}" for line in commands(use)[1:])]
        if others:
            lines.append(paragraph(f"In other ways: {', '.join(map(_name, others))}.", gap, gap))
        lines.append(paragraph(f"Cure: {_cure(use)}", gap, gap))
    else:
        lines.append(f"{gap}No policy of the library does this.")
    return "\n".join(lines)


def _name(use: str) -> str:
    return use.partition(":")[0]


def _cure(use: str) -> str:
    path = library.find(_name(use))
    assert path is not None, f"the library has no {use}"
    return load_policy(path).cure


def _unknown(near: Near | None, texts: Texts) -> str:
    known = {symptom.name: symptom.title for symptom in texts.symptoms}
    parts = [
        ("Is it this?", "" if near is None else paragraph(f'"{near.words}" ({near.program}): {near.symptom.title}.')),
        ("What to do", "\n".join(paragraph(line, "  - ", "    ") for line in NEXT)),
        ("What is known", "\n".join(paragraph(title, "  - ", "    ") for title in known.values())),
    ]
    return "None of these words is known.\n" + "".join(section(title, body) for title, body in parts)


def _as_json(found: Sequence[Found], near: Near | None) -> dict[str, object]:
    data: dict[str, object] = {"symptoms": [_told(one) for one in found]}
    if not found:
        data["nearest"] = near and {"symptom": near.symptom.name, "program": near.program, "words": near.words}
        data["next"] = list(NEXT)
    return data


def _told(found: Found) -> dict[str, object]:
    symptom = found.symptom
    return {
        "symptom": symptom.name,
        "title": symptom.title,
        "words": found.words,
        "program": found.program,
        "means": symptom.means,
        "causes": [_told_cause(cause) for cause in symptom.causes],
        "looks": [look.model_dump() for look in symptom.looks],
    }


def _told_cause(cause: Cause) -> dict[str, object]:
    tried = [{"policy": use, "commands": commands(use), "cure": _cure(use)} for use in cause.policies]
    return {"what": cause.what, "policies": tried}
