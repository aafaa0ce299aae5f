"""What is right for a program, as the user of a suite writes it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from bustedwall.policy.model import Text
from bustedwall.suite.bounds import Counts, Positive, Span, Spans, Strict
from bustedwall.terms.scalars import shown

_LEAST, _MOST = -64, 255
"""How a program may end: signals(7) knows 64 signals, and of a status wait(2) gives eight bits."""


def _exit(value: object) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and _LEAST <= value <= _MOST:
        return value
    if value in ("nonzero", "any", "hangs"):
        return str(value)
    what = "expected 0 to 255, -1 to -64 for a signal, nonzero, any or hangs, got {got}"
    raise PydanticCustomError("exit", what, {"got": shown(value)})


Exit = Annotated[
    int | str,
    PlainValidator(_exit),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": _LEAST, "maximum": _MOST}, {"enum": ["nonzero", "any", "hangs"]}]}
    ),
]


class Output(Strict):
    """What the program writes."""

    has: list[Text] = []
    """Each of these texts is in it."""
    lacks: list[Text] = []
    """None of these is."""


class Reconnects(Strict):
    """The gaps between one connection and the next, from the break on."""

    grow: Annotated[bool, Field(strict=True)] = False
    """True: the later half of them is longer than the first by half, at least."""
    jitter: Annotated[bool, Field(strict=True)] = False
    """True: they are no multiples of each other, as those of a clock are."""
    at_least: Span = 0.0
    """None is shorter."""
    count: Counts = Counts()
    """How many gaps there are; at least 4 where they are to grow or to have jitter."""


class Recovered(Strict):
    """After the policies are gone bytes of the server come through again."""

    within: Positive
    """So soon."""


class Expect(Strict):
    """What is right; what is left out is not looked at, but for `exit` and `fired`."""

    exit: Exit = 0
    """The program's exit status: a number, that of a signal below 0, `nonzero`, `any`, or `hangs`: it still runs when
    `within` is over, or its last phase."""
    output: Output = Output()
    """What it writes, to stdout and stderr."""
    duration: Spans = Spans()
    """How long it runs."""
    fired: dict[str, Counts] | Annotated[bool, Field(strict=True)] = True
    """By policy, or by rule `POLICY/RULE`, how often it fires. True: each policy at least once, and with an effect;
    that holds whatever is named, unless 0, `at_least: 0` or `at_most: 0` is said of the policy, or of each of its
    rules. False: none has to."""
    flows: Counts = Counts()
    """How many connections the program opens."""
    reconnects: Reconnects = Reconnects()
    """How it comes back."""
    turns_twice: Counts | None = None
    """How many turns of the program the server has seen again, the same bytes, on whatever connection."""
    open_at_end: Counts | None = None
    """How many connections are open when the last phase is over; without phases, when the program has ended."""
    recovered: Recovered | None = None
    """How soon it goes on."""
