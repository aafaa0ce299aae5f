"""The moments of `when` and `wait`, each mapping a model; a new one is a class with `trigger` and a line in FORMS."""

from __future__ import annotations

import re
import warnings
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from bustedwall.policy.rules import (
    AtAccept,
    AtAge,
    AtApplied,
    AtBytes,
    AtEof,
    AtIdle,
    AtOpen,
    AtPolicyAge,
    AtRecord,
    AtRepeat,
    AtReset,
    AtSignal,
    AtText,
    AtTurn,
    Clock,
    RecordKind,
    Trigger,
)
from bustedwall.terms.leg import Leg
from bustedwall.terms.units import Duration, Size

SHORTEST = 0.01
"""Seconds between two comings of a moment that repeats: each comes to every flow."""

MOST_WITHIN = 1 << 20
"""Bytes that a match of a pattern may span: so many are kept of each direction that is searched."""


class Moment(BaseModel):
    """The base of all mappings that name a moment."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    form: ClassVar[str]
    """How a message shows it."""
    moment: ClassVar[type[Trigger]]
    """What it becomes."""

    def trigger(self) -> Trigger:
        """Return what the runtime waits for."""
        raise AssertionError(f"{type(self).__name__} does not say what it waits for")


def _pattern(value: str) -> str:
    try:
        with warnings.catch_warnings(action="ignore"):  # what a future Python might read otherwise
            found = re.compile(value.encode())
    except re.error as error:
        at = "" if error.pos is None else f" at position {error.pos}"
        what = "not a regular expression: {why}{at}"
        raise PydanticCustomError("pattern", what, {"why": error.msg, "at": at}) from None
    except (OverflowError, RecursionError):
        raise PydanticCustomError("pattern", "this regular expression is too large") from None
    if found.fullmatch(b""):
        raise PydanticCustomError("pattern", "this pattern matches where there is nothing, so it cannot be waited for")
    return value


Speaker = Annotated[Leg, Field(alias="from")]


class BytesMoment(Moment):
    """When one direction has passed exactly so many bytes since the flow began, not one more."""

    form = "{bytes: SIZE, from: LEG}"
    moment = AtBytes
    count: Annotated[Size, Field(alias="bytes", ge=1)]
    """How many bytes have passed. In a `wait` they are counted from its beginning."""
    source: Speaker
    """Whose bytes are counted."""

    def trigger(self) -> Trigger:
        """Return the offset."""
        return AtBytes(self.source, self.count)


class AgeMoment(Moment):
    """When the client was accepted so long ago."""

    form = "{flow_age: TIME}"
    moment = AtAge
    seconds: Annotated[Duration, Field(alias="flow_age", gt=0)]
    """Time since the client was accepted."""
    jitter: Duration = 0.0
    """By how much it may be more or less, drawn for each flow, evenly; never more than the age."""

    @model_validator(mode="after")
    def _can_come(self) -> Self:
        if self.jitter > self.seconds:
            raise PydanticCustomError("jitter", "'jitter' is more than the age, which would be over before it began")
        return self

    def trigger(self) -> Trigger:
        """Return the age."""
        return AtAge(self.seconds, self.jitter)


class IdleMoment(Moment):
    """When nothing has moved on the flow for so long, either way."""

    form = "{idle: TIME, clock: data|packets}"
    moment = AtIdle
    seconds: Annotated[Duration, Field(alias="idle", gt=0)]
    """How long nothing has moved."""
    clock: Clock = Clock.DATA
    """What counts as a sign of life: `data`, bytes of the application; `packets`, keepalives too."""

    def trigger(self) -> Trigger:
        """Return the silence."""
        return AtIdle(self.seconds, self.clock)


class TextMoment(Moment):
    """When one side's bytes contain a text, across chunk borders."""

    form = "{contains: TEXT, from: LEG}"
    moment = AtText
    text: Annotated[str, Field(alias="contains", min_length=1)]
    """The text; it is looked for as UTF-8."""
    source: Speaker
    """Whose bytes are searched."""
    deliver: Annotated[bool, Field(strict=True)] = True
    """True: the moment is behind the text. False: before it, as far as it has not passed already."""

    def trigger(self) -> Trigger:
        """Return the text as bytes."""
        return AtText(self.source, text=self.text.encode(), deliver=self.deliver)


class PatternMoment(Moment):
    """When one side's bytes match a regular expression, across chunk borders."""

    form = "{matches: REGEX, from: LEG}"
    moment = AtText
    pattern: Annotated[str, Field(alias="matches", min_length=1), AfterValidator(_pattern)]
    """A regular expression of Python's `re`, applied to bytes; its text is UTF-8."""
    source: Speaker
    """Whose bytes are searched."""
    within: Annotated[Size, Field(ge=1, le=MOST_WITHIN)] = 64 << 10
    """How many bytes a match may span, 64KiB unless it says otherwise."""
    deliver: Annotated[bool, Field(strict=True)] = True
    """True: the moment is behind the match. False: before it, as far as it has not passed already."""

    def trigger(self) -> Trigger:
        """Return the pattern, which has been compiled once to see that it is one."""
        return AtText(self.source, pattern=self.pattern, within=self.within, deliver=self.deliver)


class RecordMoment(Moment):
    """When the nth TLS record of a kind has passed, by its header, which is never encrypted."""

    form = "{tls: RECORD, from: LEG, nth: N}"
    moment = AtRecord
    kind: Annotated[RecordKind, Field(alias="tls")]
    """What the record says it is: `handshake`, `alert`, `change_cipher_spec`, or `application`, which in TLS 1.3 is
    all that is encrypted, the end of the handshake, session tickets and alerts included."""
    source: Speaker
    """Whose records are counted."""
    nth: Annotated[int, Field(strict=True, ge=1)] = 1
    """Which of them, from 1. In a `wait` they are counted from its beginning, which has to be between two records."""
    part: Annotated[Size | None, Field(ge=0)] = None
    """How much of it passes, its header of 5 bytes included; without it, or where it is longer, all of it."""

    def trigger(self) -> Trigger:
        """Return the record."""
        return AtRecord(self.source, self.kind, self.nth, self.part)


class TurnMoment(Moment):
    """When one side begins to speak for the nth time, before its first byte goes on."""

    form = "{turn: N, from: LEG}"
    moment = AtTurn
    number: Annotated[int, Field(alias="turn", strict=True, ge=1)]
    """Which turn, from 1: its nth request, in plain request and response protocols."""
    source: Speaker
    """Who begins to speak."""

    def trigger(self) -> Trigger:
        """Return the turn."""
        return AtTurn(self.source, self.number)


class EofMoment(Moment):
    """When one side has sent its FIN, before it goes on."""

    form = "{eof: LEG}"
    moment = AtEof
    leg: Annotated[Leg, Field(alias="eof")]
    """Whose FIN."""

    def trigger(self) -> Trigger:
        """Return the FIN."""
        return AtEof(self.leg)


class ResetMoment(Moment):
    """When one side's RST has come, before it goes on."""

    form = "{reset: LEG}"
    moment = AtReset
    leg: Annotated[Leg, Field(alias="reset")]
    """Whose RST, or whose kernel's end of it."""

    def trigger(self) -> Trigger:
        """Return the RST."""
        return AtReset(self.leg)


class PolicyAgeMoment(Moment):
    """So long after the policy was applied."""

    form = "{policy_age: TIME}"
    moment = AtPolicyAge
    seconds: Annotated[Duration, Field(alias="policy_age", gt=0)]
    """Time since the policy was applied."""

    def trigger(self) -> Trigger:
        """Return the age."""
        return AtPolicyAge(self.seconds)


class RepeatMoment(Moment):
    """Again and again, first after one interval."""

    form = "{repeat: TIME}"
    moment = AtRepeat
    seconds: Annotated[Duration, Field(alias="repeat", ge=SHORTEST)]
    """The interval."""

    def trigger(self) -> Trigger:
        """Return the interval."""
        return AtRepeat(self.seconds)


def _signal(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", value):
        what = "a signal's name has letters, digits and '_.-' only, got '{name}'"
        raise PydanticCustomError("name", what, {"name": value})
    return value


class SignalMoment(Moment):
    """When somebody fires the signal of this name."""

    form = "{signal: NAME}"
    moment = AtSignal
    name: Annotated[str, Field(alias="signal"), AfterValidator(_signal)]
    """The signal's name."""

    def trigger(self) -> Trigger:
        """Return the name."""
        return AtSignal(self.name)


FLOW_WORDS: dict[str, Trigger] = {"accept": AtAccept(), "open": AtOpen()}
FLOW_FORMS: dict[str, type[Moment]] = {
    "bytes": BytesMoment,
    "flow_age": AgeMoment,
    "idle": IdleMoment,
    "contains": TextMoment,
    "matches": PatternMoment,
    "tls": RecordMoment,
    "turn": TurnMoment,
    "eof": EofMoment,
    "reset": ResetMoment,
}
"""By leading key."""

WORDS: dict[str, Trigger] = {**FLOW_WORDS, "applied": AtApplied()}
FORMS: dict[str, type[Moment]] = {
    **FLOW_FORMS,
    "policy_age": PolicyAgeMoment,
    "repeat": RepeatMoment,
    "signal": SignalMoment,
}
