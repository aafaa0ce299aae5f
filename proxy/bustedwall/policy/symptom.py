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
    SHUTDOWN = "shutdown"
    CLOSE = "close"
    RESET = "reset"
    RULE = "rule"


SAYS: dict[Does, str] = {
    Does.CONNECT: "What the client's connect(2) gives.",
    Does.ACCEPT: "What the server's accept(2) gives.",
    Does.SEND: "What send(2) of one message gives.",
    Does.RECV: "What recv(2) gives.",
    Does.POLL: "What poll(2) says, such as `IN RDHUP`.",
    Does.SHUTDOWN: "What shutdown(2) of the sending half gives.",
    Does.CLOSE: "What close(2) gives; no other call follows.",
    Does.RESET: "What close(2) with SO_LINGER 0 gives, which sends a RST; no other call follows.",
    Does.RULE: "Wait until this rule of the policy has struck.",
}
"""What each call means, for who writes one."""

OK, WAITS, EOF = "ok", "waits", "EOF"
DATA, PART, REST, CHANGED = "data", "part", "rest", "changed"
"""Results other than errnos. `waits`: it does not come back. `data`: bytes of a message, or all of
it; `part`: less than what the other side has sent; `rest`: all of that, in however many calls; `changed`:
as many bytes as that, and not the same."""

POLLED = ("IN", "OUT", "ERR", "HUP", "RDHUP")
"""What poll can say, in this order."""

ERRNOS = tuple(sorted(errno.errorcode.values()))

RESULTS: dict[Does, tuple[str, ...]] = {
    Does.CONNECT: (OK, WAITS, *ERRNOS),
    Does.ACCEPT: (OK, WAITS),
    Does.SEND: (OK, WAITS, *ERRNOS),
    Does.RECV: (DATA, PART, REST, CHANGED, EOF, WAITS, *ERRNOS),
    Does.SHUTDOWN: (OK, *ERRNOS),
    Does.CLOSE: (OK,),
    Does.RESET: (OK,),
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
            ", or an errno such as ECONNRESET" if ERRNOS[0] in RESULTS[does] else ""
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
    """What the client's results depend on: limits of its own, and what else there is."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    others: Annotated[int, Field(strict=True, ge=1)] | None = None
    """How many other connections through the same door are open."""
    tcp_user_timeout: Annotated[Duration, Field(gt=0)] | None = None
    """TCP_USER_TIMEOUT: how long what it sent may stay without an ACK. Without it Linux waits about 15 minutes."""


class Symptom(BaseModel):
    """What a client and a server get to see: calls and their results, in order."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    given: Given = Given()
    """What the client's results depend on."""
    client: list[Call] = []
    """The client's calls, each with its result, as in `recv: ECONNRESET`. `rule: NAME` waits until that
    rule has struck."""
    next: list[Call] = []
    """The calls of the same client's next connection, when the first is over."""
    server: list[Call] = []
    """The server's calls."""
    faithful: Annotated[str, Field(min_length=1)]
    """`exact`, or `approximate` and the reason."""
