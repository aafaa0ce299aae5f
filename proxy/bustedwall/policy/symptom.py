"""What the two sides of a broken connection get to see, call by call: `symptom` of a policy file."""

from __future__ import annotations

import errno
from enum import Enum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from bustedwall.policy.words import nearest
from bustedwall.policy.written import KEY, mistake
from bustedwall.terms.scalars import shown
from bustedwall.terms.units import Duration


class Does(Enum):
    """What a side does: a system call, or waiting for a rule."""

    CONNECT = "connect"
    ACCEPT = "accept"
    SEND = "send"
    RECV = "recv"
    POLL = "poll"
    RULE = "rule"


SAYS: dict[Does, str] = {
    Does.CONNECT: "What the client's connect(2) gives.",
    Does.ACCEPT: "What the server's accept(2) gives.",
    Does.SEND: "What send(2) of one message gives.",
    Does.RECV: "What recv(2) gives.",
    Does.POLL: "What poll(2) says, such as `IN RDHUP`.",
    Does.RULE: "Wait until this rule of the policy has struck.",
}
"""What each call means, for who writes one."""

OK, WAITS, EOF, DATA, PART, REST = "ok", "waits", "EOF", "data", "part", "rest"
"""Results other than errnos. `waits`: it does not come back. `data`: bytes of a message, or all of
it; `part`: less than what the other side has sent; `rest`: all of that, in however many calls."""

POLLED = ("IN", "OUT", "ERR", "HUP", "RDHUP")
"""What poll can say, in this order."""

ERRNOS = tuple(sorted(errno.errorcode.values()))

RESULTS: dict[Does, tuple[str, ...]] = {
    Does.CONNECT: (OK, WAITS, *ERRNOS),
    Does.ACCEPT: (OK, WAITS),
    Does.SEND: (OK, WAITS, *ERRNOS),
    Does.RECV: (DATA, PART, REST, EOF, WAITS, *ERRNOS),
}
"""The results that can be listed; the others are the events of `poll` and the names of rules."""


def _call(value: object) -> object:
    if not isinstance(value, dict) or len(value) != 1:
        raise PydanticCustomError("call", "expected one call and its result, as in 'recv: ECONNRESET'")
    ((word, result),) = value.items()
    known = [does.value for does in Does]
    if word not in known:
        hint = nearest(word, known) or f"a call is one of {', '.join(known)}"
        raise mistake(f"unknown call '{word}'", value, (word, KEY), hint)
    if not isinstance(result, str):
        # The check of the mapping says that text is expected, and how to write it.
        return value
    does = Does(word)
    if does in RESULTS and result not in RESULTS[does]:
        words = [each for each in RESULTS[does] if each not in ERRNOS]
        hint = nearest(result, RESULTS[does]) or f"{word} gives {', '.join(words)}" + (
            "" if does is Does.ACCEPT else ", or an errno such as ECONNRESET"
        )
        raise mistake(f"{word} does not give {shown(result)}", value, (word,), hint)
    if does is Does.POLL and result != " ".join(each for each in POLLED if each in result.split()):
        what = f"poll does not give {shown(result)}"
        raise mistake(what, value, (word,), f"poll gives some of {' '.join(POLLED)}, in this order")
    return value


Call = Annotated[
    dict[str, str],
    BeforeValidator(_call),
    WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
            "properties": {
                does.value: {"type": "string", "description": SAYS[does]}
                | ({"enum": [*RESULTS[does]]} if does in RESULTS else {})
                for does in Does
            },
        }
    ),
]


class Given(BaseModel):
    """Limits that the client has set for itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    tcp_user_timeout: Annotated[Duration, Field(gt=0)] | None = None
    """TCP_USER_TIMEOUT: how long what it sent may stay without an ACK. Without it Linux waits about 15 minutes."""


class Symptom(BaseModel):
    """What a client and a server get to see: calls and their results, in order."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    given: Given = Given()
    """Limits of the client's own, on which its results depend."""
    client: list[Call] = []
    """The client's calls, each with its result, as in `recv: ECONNRESET`. `rule: NAME` waits until that
    rule has struck."""
    server: list[Call] = []
    """The server's calls."""
    faithful: Annotated[str, Field(min_length=1)]
    """`exact`, or `approximate` and the reason."""
