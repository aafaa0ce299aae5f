"""The moments of `when` and `wait`: from `{bytes: 1B, from: server}` to what a flow or its proxy waits for.

A moment is a word, or a mapping whose leading key names it. Each mapping is a model below; a new
one is a class with `trigger` and a line in FORMS.
"""

from __future__ import annotations

import re
import warnings
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
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
    AtRepeat,
    AtSignal,
    AtText,
    AtTurn,
    Clock,
    Trigger,
)
from bustedwall.policy.words import nearest
from bustedwall.policy.written import KEY, Written, mistake
from bustedwall.terms.leg import Leg
from bustedwall.terms.scalars import shown
from bustedwall.terms.units import Duration, Size

SHORTEST = 0.01
"""Seconds between two comings of a moment that repeats: each comes to every flow."""

MOST_WITHIN = 1 << 20
"""Bytes that a match of a pattern may span: so many are kept of each direction that is searched."""


class Moment(BaseModel):
    """The base of all mappings that name a moment."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

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

    def trigger(self) -> Trigger:
        """Return the age."""
        return AtAge(self.seconds)


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
    "turn": TurnMoment,
    "eof": EofMoment,
}
"""By leading key."""

WORDS: dict[str, Trigger] = {**FLOW_WORDS, "applied": AtApplied()}
FORMS: dict[str, type[Moment]] = {
    **FLOW_FORMS,
    "policy_age": PolicyAgeMoment,
    "repeat": RepeatMoment,
    "signal": SignalMoment,
}


def form_of(value: object) -> type[Moment] | None:
    """Return the model of a mapping, by its leading key."""
    leading = [key for key in value if key in FORMS] if isinstance(value, dict) else []
    return FORMS[leading[0]] if leading else None


def read_moment(value: object) -> Trigger:
    """Return the moment that `when` names; raises ValidationError."""
    if isinstance(value, str):
        if value in WORDS:
            return WORDS[value]
        raise mistake(f"expected a moment, got {shown(value)}", value, hint=_word_hint(value))
    if not isinstance(value, dict) or not value:
        raise mistake(f"expected a moment, got {shown(value) if value != {} else 'no key'}", value, hint=_known())
    leading = [key for key in value if key in FORMS]
    if len(leading) > 1:
        first, second, *_ = leading
        what = f"'{first}' and '{second}' are two moments, and one is waited for"
        raise mistake(what, value, hint="write two rules, or a step '- wait' for the second")
    if leading:
        return FORMS[leading[0]].model_validate(value).trigger()
    if bare := next((key for key in value if key in WORDS), None):
        raise mistake(f"'{bare}' stands alone, as in 'when: {bare}'", value, (bare, KEY))
    # `from` may come before the word that is wrong.
    word = next((key for key in value if nearest(key, FORMS)), next(iter(value)))
    raise mistake(f"unknown moment '{word}'", value, (word, KEY), nearest(word, FORMS) or _known())


def read_flow_moment(value: object) -> Trigger:
    """Return the moment that `wait` names, which is one of the flow; raises ValidationError."""
    if isinstance(value, str):
        leading = value
    else:
        leading = next((key for key in value if key in FORMS), "") if isinstance(value, dict) else ""
    if leading in WORDS.keys() | FORMS.keys() and leading not in FLOW_WORDS.keys() | FLOW_FORMS.keys():
        what = f"'{leading}' is a moment of the policy; a step waits for a time or for a moment of its flow"
        raise mistake(what, value, () if isinstance(value, str) else (leading, KEY))
    return read_moment(value)


def _word_hint(word: str) -> str:
    if word in FORMS:
        return f"write {FORMS[word].form}"
    return nearest(word, [*WORDS, *FORMS]) or _known()


def _known() -> str:
    flow = [*FLOW_WORDS, *(form.form for form in FLOW_FORMS.values())]
    rest = [*(word for word in WORDS if word not in FLOW_WORDS)]
    rest += [form.form for word, form in FORMS.items() if word not in FLOW_FORMS]
    return f"a moment is {', '.join([*flow, *rest])}"


def word_of(moment: Trigger) -> str:
    """Return the word by which users call a moment."""
    if isinstance(moment, AtText):
        return "contains" if moment.pattern is None else "matches"
    bare = next((word for word, known in WORDS.items() if known == moment), None)
    return bare or next(word for word, form in FORMS.items() if form.moment is type(moment))


WrittenTrigger = Annotated[Trigger, Written("when", read_moment, form_of)]
"""A word, or a mapping."""
