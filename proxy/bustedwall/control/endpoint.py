"""One thing that can be asked for: routes and the OpenAPI document are both made of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from http import HTTPStatus
from json import JSONEncoder
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict
from twisted.internet.defer import Deferred
from twisted.web.server import Request

JSON = "application/json"

NUMBERED = "flow"
"""What stands in a path and is a number; all else is a name."""

LONGEST_NAME = 255
"""Characters of a name that is asked for."""


class Asked(BaseModel):
    """The base of bodies and queries: what they do not know they refuse."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked."""

    request: Request
    who: str
    """Who asks, as facts tell it."""
    names: Mapping[str, str]
    """What stands in the path."""
    body: BaseModel | None = None
    query: BaseModel | None = None

    def sent(self, model: type[Model]) -> Model:
        """Return the body."""
        assert isinstance(self.body, model)
        return self.body

    def asked(self, model: type[Model]) -> Model:
        """Return the query."""
        assert isinstance(self.query, model)
        return self.query


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered."""

    value: object
    """Plain data, dataclasses and enums; bytes are sent as they are."""
    status: HTTPStatus = HTTPStatus.OK
    kind: str = JSON


NOTHING = Answer(b"", HTTPStatus.NO_CONTENT)

Act = Callable[[Call], "Answer | Deferred[Answer]"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method and a path, what is sent there and what comes of it."""

    method: str
    path: str
    """With `{name}` where a name stands."""
    act: Act
    """Does it; its name is the operation's, and the first line of its docstring what it does."""
    answers: object = None
    """The type of the answer; None: there is no JSON in it."""
    sends: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    status: HTTPStatus = HTTPStatus.OK
    kind: str = JSON
    refusals: tuple[HTTPStatus, ...] = ()
    """Beside those that every one has."""
    free: bool = False
    """It takes no token."""
    also: str | None = None
    """Another kind of answer, for who asks for it by `Accept`."""
    changes: bool = True
    """Whether it changes anything, where the method says so: then it takes an owner."""

    @property
    def operation(self) -> str:
        """Return its name."""
        return self.act.__name__.strip("_")

    @property
    def summary(self) -> str:
        """Return what it does."""
        return (self.act.__doc__ or "").strip().splitlines()[0].rstrip(".")


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {part.name: getattr(value, part.name) for part in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"an answer has no words for {value!r}")


_encoder = JSONEncoder(ensure_ascii=False, default=_plain, allow_nan=False)


def encoded(value: object) -> bytes:
    """Return an answer's value as JSON; bytes are as they are."""
    return value if isinstance(value, bytes) else f"{_encoder.encode(value)}\n".encode()


def plain(value: object) -> Any:  # noqa: ANN401 (of whatever it is made)
    """Return the same as dictionaries, lists and scalars."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value if value is None or isinstance(value, str | int | float) else plain(_plain(value))
