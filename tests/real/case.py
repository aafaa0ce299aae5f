"""One row of docs/symptoms.md: a client, what it does, the policy that it meets, and how it ends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

CURL, NGINX, REQUESTS, AIOHTTP, NODE = "curl", "curl behind nginx", "requests", "aiohttp", "Node's http"
REDIS, PSYCOPG = "redis-py", "psycopg"
CLIENTS = (CURL, NGINX, REQUESTS, AIOHTTP, NODE, REDIS, PSYCOPG)

DOWNLOADS = "downloads 5 MB"
DOWNLOADS_200 = "downloads 200 B"
DOWNLOADS_LITTLE = "downloads 2 kB"
DOWNLOADS_SLOWLY = "downloads 5 MB at 2 MB/s"
DOWNLOADS_TWICE = "downloads 2 kB twice, on one connection"
DOWNLOADS_LATER = "downloads 2 kB, and again when the policy has struck"
DOWNLOADS_UNBUFFERED = "downloads 5 MB, `proxy_buffering off`"
GATE = "gate"
"""No file: here the client asks another server, which answers when the policy has struck."""
FILES = {
    DOWNLOADS_200: ["200B"],
    DOWNLOADS_LITTLE: ["2kB"],
    DOWNLOADS_SLOWLY: ["slowly/5MB"],
    DOWNLOADS_TWICE: ["2kB", "2kB"],
    DOWNLOADS_LATER: ["2kB", GATE, "2kB"],
}

PATIENT = 20.0
"""Seconds that a client is given where it does not need them: they only bound a test that fails."""
LIMIT = 2.0
"""Seconds that a client is given where it would wait for ever; libpq takes no less."""

Ending = tuple[str, str]
"""`exit N` of curl, an exception's class or a code of Node, and the text; … stands for what differs between runs."""


@dataclass(frozen=True)
class Case:
    """One row of the page."""

    client: str
    does: str
    policy: str
    endings: Sequence[Ending]
    """More than one where versions differ, or where a race that no test can decide does."""
    log: Sequence[str] = ()
    """What the error log of the nginx in between says; one of these."""
    after: float = 0.0
    """It takes at least so many seconds."""
    limit: float = PATIENT
    """Seconds after which the client gives up by itself."""

    def __str__(self) -> str:
        return f"{self.client} {self.does} {self.policy}"

    @property
    def name(self) -> str:
        """The policy, without parameters."""
        return self.policy.partition(":")[0]

    @property
    def parameters(self) -> str:
        """The policy's parameters, where they are not the defaults."""
        return self.policy.partition(":")[2]

    @property
    def succeeds(self) -> bool:
        """Whether every byte comes."""
        return self.endings in (DONE, RETURNS)


DONE = (("exit 0", ""),)
RETURNS = (("returns", ""),)
SHORT_OF_HEADER_DONE = (("exit 0, with nothing", ""),)
SHORT_OF_HEADER_RETURNS = (("returns, with nothing", ""),)
STILL_WAITS = (("still waits", ""),)


@dataclass(frozen=True)
class Outcome:
    """How a client has ended."""

    ends: str
    says: str
    seconds: float


def files(does: str) -> list[str]:
    """Return the paths of what an HTTP client downloads."""
    return FILES.get(does, ["5MB"])


def same(pattern: str, text: str) -> bool:
    """Compare with a text where … stands for anything, and any white space for a space."""
    parts = (re.escape(part) for part in pattern.split("…"))
    return re.fullmatch(".+?".join(parts), " ".join(text.split())) is not None


def check(case: Case, outcome: Outcome) -> None:
    """Assert that a client has ended as its case says."""
    assert any(outcome.ends == ends and same(says, outcome.says) for ends, says in case.endings), outcome
    assert outcome.seconds >= case.after, outcome
