"""What users write as a policy, as pydantic models."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from bustedwall.policy.matching import Ordinal, WrittenMatch
from bustedwall.policy.moments import WrittenTrigger
from bustedwall.policy.rules import Rule
from bustedwall.policy.steps import WrittenStep
from bustedwall.policy.symptom import Symptom
from bustedwall.terms.scalars import shown
from bustedwall.terms.units import Fraction

POLICY_NAME = r"[a-z0-9-]+"
NAME = r"[A-Za-z0-9_.-]+"
PARAMETER_NAME = r"[A-Za-z_][A-Za-z0-9_]*"


def _policy_name(value: str) -> str:
    if not re.fullmatch(POLICY_NAME, value):
        raise PydanticCustomError("name", "a policy's name has a-z, 0-9 and '-' only, got '{name}'", {"name": value})
    return value


def checked_name(value: str) -> str:
    """Return the name of a proxy or a rule; raises PydanticCustomError if it is none."""
    if not re.fullmatch(NAME, value):
        raise PydanticCustomError("name", "a name has letters, digits and '_.-' only, got '{name}'", {"name": value})
    return value


def _parameter_name(value: str) -> str:
    if not re.fullmatch(PARAMETER_NAME, value):
        what = "a parameter's name has letters, digits and '_' only, got '{name}'"
        raise PydanticCustomError("name", what, {"name": value})
    return value


def _scalar(value: object) -> object:
    if not isinstance(value, str | int | float):
        raise PydanticCustomError("scalar", "expected a single value, got {got}", {"got": shown(value)})
    return value


def told(pattern: str, title: str, *examples: str) -> WithJsonSchema:
    """Say for the JSON Schema what our own validation takes."""
    told = {"type": "string", "title": title, "pattern": f"^(?:{pattern})$"}
    return WithJsonSchema(told | ({"examples": [*examples]} if examples else {}))


Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, AfterValidator(checked_name), told(NAME, "letters, digits and '_.-' only")]
PolicyName = Annotated[str, AfterValidator(_policy_name), told(POLICY_NAME, "a-z, 0-9 and '-' only")]
ScalarValue = Annotated[
    str | int | float, PlainValidator(_scalar), WithJsonSchema({"type": ["string", "number", "boolean"]})
]


class Strict(BaseModel):
    """Takes no key that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class WrittenParameter(Strict):
    """A value that the user of a policy may set."""

    default: ScalarValue
    """Its value where the user gives none."""
    help: Text
    """What it means, for the user of the policy."""
    choices: list[ScalarValue] = []
    """All values allowed; empty: any."""
    scale: Annotated[bool, Field(strict=True)] = False
    """True: the default is a duration that a config's `time_scale` divides."""


class WrittenRule(Strict):
    """Which flows, at which moment, which steps."""

    name: Name
    """What the rule is called in the records, behind the policy's name."""
    match: WrittenMatch = WrittenMatch()
    """Which flows; all of them unless it says otherwise."""
    # Validated, so that the default needs no second spelling of what `open` becomes.
    when: Annotated[WrittenTrigger, Field(default="open", validate_default=True)]
    """At which moment; `open` unless it says otherwise."""
    do: Annotated[list[WrittenStep], Field(min_length=1)]
    """The steps, in order."""
    times: Ordinal | None = None
    """How often it may fire on one flow."""
    total: Ordinal | None = None
    """How often it may fire over all flows."""
    probability: Annotated[Fraction, Field(gt=0)] = 1.0
    """How likely it fires when its moment comes; drawn for each firing."""

    def rule(self, policy: str) -> Rule:
        """Return what the runtime runs."""
        return Rule(
            f"{policy}/{self.name}",
            self.when,
            tuple(self.do),
            self.match.match(policy),
            times=self.times,
            total=self.total,
            probability=self.probability,
        )


class PolicyFile(Strict):
    """A policy as its file says it, parameters filled in."""

    version: Literal[1]
    """Of this syntax: 1."""
    name: PolicyName
    """The file's name without `.yaml`."""
    summary: Text
    """What happens, in one line."""
    replays: list[Text] = []
    """The real things that behave so."""
    sources: list[Text] = []
    """Where that is known from."""
    parameters: Annotated[
        dict[Annotated[str, AfterValidator(_parameter_name)], WrittenParameter],
        Field(json_schema_extra={"propertyNames": {"pattern": f"^(?:{PARAMETER_NAME})$"}}),
    ] = {}
    """Values that the user of the policy may set; in the rules `$name` stands for them."""
    rules: Annotated[list[WrittenRule], Field(min_length=1)]
    """They run side by side."""
    symptom: Symptom | None = None
    """What the two sides get to see."""
    cure: str = ""
    """What helps against the real thing."""
