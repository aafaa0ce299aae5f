"""The data that `bustedwall explain` speaks from: `texts.yaml`, checked when it is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bustedwall.policy.check import check
from bustedwall.policy.parse import parse
from bustedwall.policy.problem import PolicyError
from bustedwall.policy.words import either

FILE = "texts.yaml"

Text = Annotated[str, Field(min_length=1)]
Words = dict[Text, Annotated[list[Text], Field(min_length=1)]]
"""By program: parts of what it says. `…` stands for something within a line, a space for any white space, `⋮` for
the rest of the line and the frames of a trace down to `Caused by: `, `¶` for the beginning or the end of a line."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Cause(_Strict):
    """Something that may have happened."""

    what: Text
    """It, in one sentence without its full stop."""
    policies: list[Text]
    """What does the same, the nearest first, as `run --policy` takes it; empty: nothing in the library does."""


class Answer(_Strict):
    """One thing that may be seen, and what it speaks for."""

    seen: Text
    """What is seen."""
    policies: list[Text]
    """Names of policies, each of which stands for the cause that names it."""


class Look(_Strict):
    """One place to look at."""

    where: Text
    """The place, with the command that shows it."""
    answers: Annotated[list[Answer], Field(min_length=1)]
    """What may be seen there."""


class Symptom(_Strict):
    """What a program is told, however it words it."""

    name: Text
    """How tests and `--json` call it."""
    title: Text
    """It, in one line."""
    means: Text
    """What can be concluded, and what can not."""
    words: Words = {}
    """What is said for this symptom, and for few others."""
    vague: Words = {}
    """What is said for others as well."""
    yields_to: list[Text] = []
    """Symptoms that make this one needless where it was found by vague words only."""
    causes: Annotated[list[Cause], Field(min_length=1)]
    """The likeliest first."""
    looks: Annotated[list[Look], Field(min_length=1)]
    """How to tell the causes apart."""

    def said(self) -> Iterator[tuple[str, str, bool]]:
        """Yield the program, or the programs, that say something, what they say, and whether it is vague."""
        for words, vague in ((self.words, False), (self.vague, True)):
            programs: dict[str, list[str]] = {}
            for program, texts in words.items():
                for text in texts:
                    programs.setdefault(text, []).append(program)
            for text, those in programs.items():
                yield either(those), text, vague


class Texts(_Strict):
    """All that is known."""

    symptoms: Annotated[list[Symptom], Field(min_length=1)]
    """Those whose words are equally exact are told in this order."""


@cache
def load() -> Texts:
    """Return what the file says; raises PolicyError where it is wrong, which a test rules out."""
    resource = files("bustedwall.explain") / FILE
    document = parse(resource.read_text(encoding="utf-8"), str(resource))
    texts, problems = check(Texts, document)
    problems = [*document.problems, *problems]
    if texts is None or problems:
        raise PolicyError(problems)
    return texts
