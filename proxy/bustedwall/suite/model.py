"""What the user of a suite writes."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from bustedwall.policy.address import Address
from bustedwall.policy.config_model import Seed
from bustedwall.policy.model import Name, Text
from bustedwall.policy.written import MARK
from bustedwall.suite.bounds import WITHIN, Positive, Strict
from bustedwall.suite.expected import Expect
from bustedwall.suite.filling import names_in
from bustedwall.suite.phases import Phases
from bustedwall.terms.scalars import shown

_MATRIX_NAME = r"[a-z][a-z0-9_]*"


def _command(value: object) -> tuple[str, ...]:
    if isinstance(value, str) and value.strip():
        return ("sh", "-c", value)
    if isinstance(value, list) and value and all(isinstance(word, str | int | float) for word in value):
        return tuple(str(word) for word in value)
    what = "expected a command, as a list of words or as a line for the shell, got {got}"
    raise PydanticCustomError("command", what, {"got": shown(value)})


Command = Annotated[
    tuple[str, ...],
    PlainValidator(_command),
    WithJsonSchema(
        {
            "title": "a list of words, or a line for the shell",
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": ["string", "number"]}, "minItems": 1},
            ],
        }
    ),
]


def _cells(value: list[object]) -> list[object]:
    if not value:
        raise PydanticCustomError("matrix", "this must not be empty", {})
    return value


def _matrix_name(value: str) -> str:
    if re.fullmatch(_MATRIX_NAME, value) is None:
        raise PydanticCustomError("name", "expected a name of a-z, 0-9 and '_', got {got}", {"got": shown(value)})
    return value


MatrixName = Annotated[str, AfterValidator(_matrix_name)]
Matrix = dict[MatrixName, Annotated[list[object], AfterValidator(_cells)]]


class Scenario(Strict):
    """One program and what it meets, once its values are filled in."""

    name: Name
    """What it is called."""
    about: str = ""
    """What it shows, for who reads the report."""
    replays: list[Text] = []
    """Reports of such a bug."""
    policies: list[Annotated[object, WithJsonSchema({MARK: "use"})]] = []
    """What is in force while it is broken: policies of the library or of `define`, files, or any with values."""
    on: list[Name] = []
    """The proxies that have them; all, unless it is given."""
    matrix: Matrix = {}
    """Values by name: each combination is a case of its own, in which `{name}` stands for the value."""
    phases: Phases = Phases()
    """When it is broken, and when it is healed."""
    run: Command
    """The program, in the folder of the suite. It finds a proxy by BUSTEDWALL_NAME_ADDRESS, _HOST and _PORT, and by
    `{name.address}` in its words."""
    env: dict[str, str] = {}
    """Variables of its environment, besides ours."""
    within: Positive = WITHIN
    """It is ended if it runs longer."""
    expect: Expect = Expect()
    """What is right."""


_KNOWN_BY = r"[A-Za-z][A-Za-z0-9_.-]{0,59}"


def _known_by(value: str) -> str:
    if re.fullmatch(_KNOWN_BY, value) is None:
        what = "expected a letter, and then up to 59 letters, digits and '_.-', got {got}"
        raise PydanticCustomError("name", what, {"got": shown(value)})
    return value


KnownBy = Annotated[
    str,
    AfterValidator(_known_by),
    WithJsonSchema(
        {
            "type": "string",
            "title": "a letter, and then up to 59 letters, digits and '_.-'",
            "pattern": f"^(?:{_KNOWN_BY})$",
        }
    ),
]
"""A name that variables, folders and names in braces are made of."""


class Service(Strict):
    """A program that the scenarios need, such as a database."""

    name: KnownBy
    """What it is called: `{name.address}`, `{name.host}` and `{name.port}` tell where it is."""
    prepare: list[Command] = []
    """Programs that run before it, one after the other."""
    run: Command
    """It, in the foreground. `{port}` is a free port for it, `{folder}` an empty folder."""
    env: dict[str, str] = {}
    """Variables of its environment."""
    ready: Command | None = None
    """A program that ends with 0 once it is ready; else it is once it accepts a connection at its port."""
    within: Positive = WITHIN
    """It is ready so soon, or the suite is BROKEN."""
    stop: Literal["TERM", "INT", "QUIT", "HUP", "USR1", "USR2"] = "TERM"
    """The signal that ends it; SIGKILL follows after 5 s."""


def _upstream(value: str) -> str:
    if not names_in(value):
        try:
            Address.parse(value)
        except ValueError as error:
            raise PydanticCustomError("upstream", "{why}", {"why": str(error)}) from None
    return value


class SuiteProxy(Strict):
    """A proxy of each case."""

    name: KnownBy
    """What the program finds it by, and `{name.address}`."""
    upstream: Annotated[Text, AfterValidator(_upstream)]
    """The real server, `HOST:PORT` or `{service.address}`."""


class SuiteFile(Strict):
    """What `bustedwall test` is given."""

    version: Literal[1]
    """Of this syntax: 1."""
    suite: Name
    """What it is called in reports."""
    seed: Seed | None = None
    """Where all chance comes from; drawn and told where it is not given."""
    time_scale: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] = 1.0
    """Divides the defaults of parameters marked `scale`, never a value that you wrote."""
    define: list[Annotated[object, WithJsonSchema({MARK: "policy"})]] = []
    """Policies written here, each of the same shape as a policy file."""
    services: list[Service] = []
    """What is started first, in this order, and ended last."""
    proxies: Annotated[list[SuiteProxy], Field(min_length=1)]
    """Each case has proxies of its own, at free ports of 127.0.0.1."""
    scenarios: Annotated[list[Annotated[object, WithJsonSchema({MARK: "scenario"})]], Field(min_length=1)]
    """What is tried."""
