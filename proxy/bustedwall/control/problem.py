"""What is told when something is refused: problem details, RFC 9457."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from pydantic import ValidationError

from bustedwall.policy.problem import PolicyError

KIND = "application/problem+json"

_MOST = 100
"""Mistakes that are told; who makes more is told the first."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong in what was sent."""

    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}

    path: str
    """Where in the structure, as in `policies[0].slow-link.delay`; empty: the whole."""
    message: str
    """What is wrong."""
    hint: str = ""
    """What to do about it, or the nearest right word."""
    line: int | None = None
    """In the text that was sent, from 1; null: it was no text."""
    column: int | None = None
    """In that line, from 1."""
    privilege: bool = False
    """It is right, but asks for what this machine's kernel does not give us."""


@dataclass(frozen=True, slots=True)
class Details:
    """Why a request was refused; nothing has changed."""

    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}

    type: str
    """`about:blank`: the status says what kind of problem it is."""
    title: str
    """The status in words."""
    status: int
    """The status."""
    detail: str
    """What is wrong, as one sentence."""
    errors: tuple[Mistake, ...] = ()
    """Each mistake, where several can be told."""


class RefusedError(Exception):
    """Something is refused."""

    def __init__(self, status: HTTPStatus, detail: str, errors: Iterable[Mistake] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)[:_MOST]

    def details(self) -> Details:
        """Return what is told."""
        return Details("about:blank", self.status.phrase, self.status.value, self.detail, self.errors)


def of_policy(error: PolicyError, *, text: bool = False) -> RefusedError:
    """Return what is told of wrong policies; `text`: lines and columns are those of what was sent."""
    found = mistakes(error, text=text)
    first = found[0]
    return RefusedError(
        HTTPStatus.BAD_REQUEST, f"{first.path}: {first.message}" if first.path else first.message, found
    )


def mistakes(error: PolicyError, *, text: bool) -> list[Mistake]:
    """Return each mistake."""
    return [
        Mistake(
            problem.path,
            problem.message,
            problem.hint,
            problem.line or None if text else None,
            (problem.col or None) if text and problem.line else None,
            problem.privilege,
        )
        for problem in error.problems
    ]


def of_shape(error: ValidationError, what: str) -> RefusedError:
    """Return what is told of a body or a query that has not the shape that it must have."""
    found = [Mistake(_dotted(details["loc"]), details["msg"]) for details in error.errors(include_url=False)]
    first = found[0]
    where = f"{first.path}: " if first.path else ""
    return RefusedError(HTTPStatus.BAD_REQUEST, f"{what}: {where}{first.message}", found)


def _dotted(loc: tuple[Any, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")
