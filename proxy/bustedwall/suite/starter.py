"""A suite to begin with: the policies that matter for a protocol, before a server, around a command."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

_PORTS = {80: "http", 8000: "http", 8080: "http", 6379: "redis", 5432: "postgresql", 3306: "mysql"}

_SELF = ("127.0.0.1", "localhost", "[::1]")
"""This machine: who names a server on it by one of these means it by the others, too."""

PROXY = "server"
"""What the proxy is called."""


class Protocol(Enum):
    """What the server speaks, as far as it matters for what can go wrong."""

    HTTP = "http"
    REDIS = "redis"
    POSTGRESQL = "postgresql"
    MYSQL = "mysql"
    GENERIC = "generic"


@dataclass(frozen=True, slots=True)
class Trial:
    """A scenario of a starter."""

    policy: str
    """As a suite has it, in YAML."""
    about: str
    expect: str = "{exit: any}"
    """In YAML."""

    @property
    def name(self) -> str:
        """What the scenario is called: as its policy."""
        return re.split(r"[:{} ]+", self.policy.strip("{}"))[0]


_BORNE = "{exit: 0}"

_CONNECTING = (
    Trial("connect-refused", "Nobody listens. Does it say so, or try again?"),
    Trial("connect-blackhole", "Connecting takes as long as the program lets it. Is there a limit?"),
    Trial("accept-then-reset", "The connection is there, and is reset before anything was said."),
)
_SLOW = (
    Trial("slow-link: {delay: 20ms}", "Each byte comes later, as over a long path.", _BORNE),
    Trial("stalled-peer: {stalled: 60s}", "The answer does not come. Is there a timeout?"),
)
_SILENT = Trial("cable-pull: {after: 10B}", "In the middle of an answer all falls silent, for ever.")

TRIALS: dict[Protocol, tuple[Trial, ...]] = {
    Protocol.HTTP: (
        *_CONNECTING,
        Trial("reset-mid-response: {after: 100B}", "The response is cut by a RST. Is half of it taken for the whole?"),
        Trial("fin-mid-message: {after: 100B}", "The response is cut by a FIN. Is half of it taken for the whole?"),
        Trial("unread-close-rst", "The server closes without having read the request."),
        Trial("linger0-rst", "The server answers and aborts; the RST may overtake the answer."),
        *_SLOW,
        Trial("byte-by-byte: {delay: 1ms}", "No recv returns a whole message.", _BORNE),
        _SILENT,
        Trial("http-keepalive-race", "The second request on a connection meets a server that has just closed it."),
    ),
    Protocol.REDIS: (
        *_CONNECTING,
        Trial("reset-mid-response: {after: 3B}", "A reply is cut by a RST."),
        Trial("fin-mid-message: {after: 3B}", "A reply is cut by a FIN."),
        *_SLOW,
        Trial("byte-by-byte: {delay: 1ms}", "No recv returns a whole reply.", _BORNE),
        Trial("cable-pull: {after: 3B}", "In the middle of a reply all falls silent, for ever."),
        Trial("idle-rst-both: {idle: 500ms}", "A connection is reset while it is quiet. Is the next command repeated?"),
        Trial("azure-lb-idle: {idle: 500ms}", "A quiet connection is forgotten without a word. How long does it hang?"),
        Trial("blip: {}", "For some seconds nothing arrives; then all goes on.", _BORNE),
    ),
    Protocol.POSTGRESQL: (
        *_CONNECTING,
        Trial("reset-mid-response: {after: 500B}", "An answer is cut by a RST."),
        Trial("fin-mid-message: {after: 500B}", "An answer is cut by a FIN, as when the server is killed."),
        *_SLOW,
        Trial("cable-pull: {after: 500B}", "In the middle of an answer all falls silent, for ever."),
        Trial(
            "lost-commit-ack: {text: COMMIT, give_up: 1s}", "It is committed, and nobody hears of it. Is it repeated?"
        ),
        Trial("idle-rst-both: {idle: 500ms}", "A pooled connection is reset while it is quiet."),
        Trial("azure-lb-idle: {idle: 500ms}", "A pooled connection is forgotten without a word."),
        Trial("max-lifetime: {age: 1s}", "The connection is closed when it is old, used or not."),
    ),
    Protocol.MYSQL: (
        *_CONNECTING,
        Trial("reset-mid-response: {after: 200B}", "An answer is cut by a RST: error 2013."),
        Trial("fin-mid-message: {after: 200B}", "An answer is cut by a FIN, as when the server is killed."),
        *_SLOW,
        Trial("cable-pull: {after: 200B}", "In the middle of an answer all falls silent, for ever."),
        Trial(
            "lost-commit-ack: {text: COMMIT, give_up: 1s}", "It is committed, and nobody hears of it. Is it repeated?"
        ),
        Trial("mysql-idle: {idle: 500ms}", "wait_timeout ends the session of a quiet connection."),
        Trial("idle-rst-both: {idle: 500ms}", "A pooled connection is reset while it is quiet."),
        Trial("azure-lb-idle: {idle: 500ms}", "A pooled connection is forgotten without a word."),
    ),
    Protocol.GENERIC: (
        *_CONNECTING,
        Trial("reset-mid-response: {after: 1B}", "The connection is reset while it is answered."),
        Trial("fin-mid-message: {after: 1B}", "The connection is closed while it is answered."),
        Trial("unread-close-rst", "The server closes without having read what was sent."),
        *_SLOW,
        Trial("byte-by-byte: {delay: 1ms}", "No recv returns a whole message.", _BORNE),
        Trial("cable-pull: {after: 1B}", "In the middle of an answer all falls silent, for ever."),
        Trial("idle-rst-both: {idle: 500ms}", "A connection is reset while it is quiet."),
        Trial("azure-lb-idle: {idle: 500ms}", "A quiet connection is forgotten without a word."),
    ),
}


def guess(port: int, greeting: bytes) -> tuple[Protocol, str]:
    """Return what a server seems to speak, by what it says first and by its port, and why."""
    # A packet of the protocol's version 10 (https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html).
    if greeting[3:5] == b"\x00\x0a":
        return Protocol.MYSQL, "by its greeting"
    known = _PORTS.get(port)
    return (Protocol(known), f"by its port {port}") if known else (Protocol.GENERIC, f"port {port} says nothing")


def starter(protocol: Protocol, why: str, upstream: str, command: Sequence[str]) -> str:
    """Return the suite; where a word of the command has the upstream's address it has the proxy's instead."""
    words = _proxied(command, upstream)
    find = (
        ""
        if words != _plain(command)
        else f"\n    # It has to connect to BUSTEDWALL_{PROXY.upper()}_ADDRESS, or write {{{PROXY}.address}} here."
    )
    lines = [
        f"# Made by `bustedwall suite init` for {protocol.value}, guessed {why}."
        if why
        else f"# For {protocol.value}.",
        "# Say in `expect` what is right for your program: `exit: any` asks only that it ends in time.",
        "# VACUOUS: the program has not met the fault, such as one that needs a quiet connection, or a second request.",
        "version: 1",
        f"suite: {protocol.value}",
        "proxies:",
        f"  - name: {PROXY}",
        f"    upstream: {json.dumps(upstream)}",
        "scenarios:",
        "  - name: unbroken",
        "    about: It works, when nothing is broken.",
        f"    run: {json.dumps(words, ensure_ascii=False)}{find}",
    ]
    for trial in TRIALS[protocol]:
        lines += [
            "",
            f"  - name: {trial.name}",
            f"    about: {json.dumps(trial.about)}",
            f"    policies: [{_use(trial.policy)}]",
            f"    run: {json.dumps(words, ensure_ascii=False)}",
            f"    expect: {trial.expect}",
        ]
    return "\n".join([*lines, ""])


def _use(policy: str) -> str:
    return policy.removesuffix(": {}")


def names_server(command: Sequence[str], upstream: str) -> bool:
    """Tell whether a word of the command has the upstream's address; else the command has to find the proxy."""
    return _proxied(command, upstream) != _plain(command)


def _proxied(command: Sequence[str], upstream: str) -> list[str]:
    host, _, port = upstream.rpartition(":")
    hosts = "|".join(map(re.escape, _SELF if host.lower() in _SELF else (host,)))
    # 127.0.0.1:80 is none in 127.0.0.1:8080, and db:80 is none in my-db:80.
    address = re.compile(rf"(?<![\w.-])(?:{hosts}):{port}(?!\d)", re.IGNORECASE | re.ASCII)
    return [address.sub(f"{{{PROXY}.address}}", word) for word in _plain(command)]


def _plain(command: Sequence[str]) -> list[str]:
    # What is in braces already means itself.
    return [re.sub(r"\{([A-Za-z][\w-]*(?:\.[\w.-]+)?)\}", r"{{\1}}", word) for word in command]
