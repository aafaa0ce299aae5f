"""What users write, as pydantic models: policy files and config files."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator
from pydantic_core import PydanticCustomError

from bustedwall.policy.address import Address
from bustedwall.policy.scalars import shown
from bustedwall.policy.steps import WrittenStep, WrittenTrigger


def _policy_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]+", value):
        raise PydanticCustomError("name", "a policy's name has a-z, 0-9 and '-' only, got '{name}'", {"name": value})
    return value


def _name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", value):
        raise PydanticCustomError("name", "a name has letters, digits and '_.-' only, got '{name}'", {"name": value})
    return value


def _parameter_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        what = "a parameter's name has letters, digits and '_' only, got '{name}'"
        raise PydanticCustomError("name", what, {"name": value})
    return value


def _scalar(value: object) -> object:
    if not isinstance(value, str | int | float):
        raise PydanticCustomError("scalar", "expected a single value, got {got}", {"got": shown(value)})
    return value


def _address(value: object) -> Address:
    if not isinstance(value, str):
        what = "expected HOST:PORT such as 127.0.0.1:8080, got {got}"
        raise PydanticCustomError("address", what, {"got": shown(value)})
    try:
        return Address.parse(value)
    except ValueError as error:
        raise PydanticCustomError("address", "{why}", {"why": str(error)}) from None


def _reachable(address: Address) -> Address:
    if address.port == 0:
        raise PydanticCustomError("address", "nobody can be reached at port 0; it is for listen only")
    return address


def _one_call(value: object) -> object:
    if not isinstance(value, dict) or len(value) != 1:
        raise PydanticCustomError("call", "expected one call and its result, as in 'recv: ECONNRESET'")
    return value


Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, AfterValidator(_name)]
ScalarValue = Annotated[str | int | float, PlainValidator(_scalar)]
Call = Annotated[dict[str, str], BeforeValidator(_one_call)]
Where = Annotated[Address, PlainValidator(_address)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WrittenParameter(_Strict):
    """A value that the user of a policy may set."""

    default: ScalarValue
    help: Text
    choices: list[ScalarValue] = []
    """All values allowed; empty: any."""
    scale: Annotated[bool, Field(strict=True)] = False
    """True: the default is a duration that a config's `time_scale` divides."""


class WrittenRule(_Strict):
    """Which moment, which steps."""

    name: Name
    # Validated, so that the default needs no second spelling of what `open` becomes.
    when: Annotated[WrittenTrigger, Field(default="open", validate_default=True)]
    do: Annotated[list[WrittenStep], Field(min_length=1)]


class Symptom(_Strict):
    """What a client and a server get to see: calls and their results, in order."""

    client: list[Call] = []
    server: list[Call] = []
    faithful: Text
    """`exact`, or `approximate` and the reason."""


class PolicyFile(_Strict):
    """A policy as its file says it, parameters filled in."""

    version: Literal[1]
    name: Annotated[str, AfterValidator(_policy_name)]
    summary: Text
    replays: list[Text] = []
    """The real things that behave so."""
    sources: list[Text] = []
    parameters: dict[Annotated[str, AfterValidator(_parameter_name)], WrittenParameter] = {}
    rules: Annotated[list[WrittenRule], Field(min_length=1)]
    symptom: Symptom | None = None
    cure: str = ""
    """What helps against the real thing."""


class WrittenProxy(_Strict):
    """One door and its upstream."""

    name: Name
    listen: Where
    upstream: Annotated[Where, AfterValidator(_reachable)]
    policies: list[object] = []
    """Read one by one with `policy.use`: each may be a name, a path, or either with values."""


class ConfigFile(_Strict):
    """What `bustedwall run` is given."""

    version: Literal[1]
    time_scale: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] = 1.0
    journal: Text = ""
    proxies: Annotated[list[WrittenProxy], Field(min_length=1)]
