"""What real clients say to each policy: asserted by the tests beside this file, shown in docs/symptoms.md.

Measured with curl 7.88, nginx 1.22, redis-py 8.1, and psycopg 3.3 with libpq 18 against PostgreSQL 15.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

CURL, NGINX, REDIS, PSYCOPG = "curl", "curl behind nginx", "redis-py", "psycopg"

DOWNLOADS = "downloads 5 MB"
DOWNLOADS_LITTLE = "downloads 2 kB"
DOWNLOADS_TWICE = "downloads 2 kB twice, on one connection"
DOWNLOADS_UNBUFFERED = "downloads 5 MB, `proxy_buffering off`"
GETS = "GET of 5 MB"
LOGS_IN = "logs in"
READS = "reads a row of 5 MB"
READS_PROBING = "reads a row of 5 MB, `keepalives_idle=1` `keepalives_interval=1` `keepalives_count=1`"
PIPELINES_LIMITED = "sends queries in a pipeline, `tcp_user_timeout=1000`"
READS_LIMITED = "reads a row of 5 MB, `tcp_user_timeout=1000`"

RESET_CURL = ("curl: (56) Recv failure: Connection reset by peer",)
RESET_REDIS = ("Error while reading from 127.0.0.1:… : (104, 'Connection reset by peer')",)
SHORT_CURL = (
    "curl: (18) transfer closed with … bytes remaining to read",
    "curl: (18) end of response with … bytes missing",
)
"""The second one is that of later versions of curl, from their source."""
CLOSED = (
    "server closed the connection unexpectedly "
    "This probably means the server terminated abnormally before or while processing the request."
)
RESET_QUERY = (f"consuming input failed: {CLOSED}",)
RESET_LOGIN = (f'connection failed: connection to server at "127.0.0.1", port … failed: {CLOSED}',)
BAD_GATEWAY = ("curl: (22) The requested URL returned error: 502",)
GATEWAY_TIMEOUT = ("curl: (22) The requested URL returned error: 504",)
TIMED_OUT_QUERY = ("consuming input failed: could not receive data from server: Connection timed out",)
"""ETIMEDOUT is told once, to the call that comes first: where that is a send, libpq's next recv finds end of file."""
OPERATIONAL = "psycopg.OperationalError"
REDIS_CONNECTION = "redis.exceptions.ConnectionError"
REDIS_TIMEOUT = "redis.exceptions.TimeoutError"


@dataclass(frozen=True)
class Case:
    """One row of the page."""

    client: str
    does: str
    policy: str
    ends: str
    """`exit N` of curl, or the class of the exception, or what it does instead of ending."""
    says: Sequence[str] = ("",)
    """Its text, or one text for each of several versions; … stands for what differs from run to run."""
    log: str = ""
    """What the error log of the nginx in between says."""
    after: float = 0.0
    """It takes at least so many seconds."""

    def __str__(self) -> str:
        return f"{self.client} {self.does} {self.policy}"


RESET, SLOW, PULLED, GAVE_UP = "reset-mid-response", "slow-link", "cable-pull", "gave-up-rst"

CASES = [
    Case(CURL, DOWNLOADS, RESET, "exit 56", RESET_CURL),
    Case(
        NGINX,
        DOWNLOADS,
        RESET,
        "exit 18",
        SHORT_CURL,
        "readv() failed (104: Connection reset by peer) while reading upstream",
    ),
    Case(
        NGINX,
        DOWNLOADS_UNBUFFERED,
        RESET,
        "exit 18",
        SHORT_CURL,
        "recv() failed (104: Connection reset by peer) while …",
    ),
    Case(
        NGINX,
        DOWNLOADS,
        f"{RESET}:after=100B",
        "exit 22",
        BAD_GATEWAY,
        "recv() failed (104: Connection reset by peer) while reading response header from upstream",
    ),
    Case(REDIS, GETS, f"{RESET}:after=100kB", REDIS_CONNECTION, RESET_REDIS),
    Case(PSYCOPG, READS, f"{RESET}:after=100kB", OPERATIONAL, RESET_QUERY),
    Case(PSYCOPG, LOGS_IN, f"{RESET}:after=100B", OPERATIONAL, RESET_LOGIN),
    Case(CURL, DOWNLOADS, SLOW, "exit 0", after=0.2),
    Case(CURL, DOWNLOADS_TWICE, SLOW, "exit 0", after=0.4),
    Case(NGINX, DOWNLOADS, SLOW, "exit 0", after=0.2),
    Case(REDIS, GETS, SLOW, "returns", after=0.2),
    Case(PSYCOPG, READS, SLOW, "returns", after=0.4),
    Case(
        CURL,
        DOWNLOADS,
        f"{PULLED}:after=50kB",
        "exit 28",
        ("curl: (28) Operation timed out after … milliseconds with … out of 5000000 bytes received",),
        after=2.0,
    ),
    Case(
        CURL,
        DOWNLOADS,
        PULLED,
        "exit 28",
        ("curl: (28) Operation timed out after … milliseconds with 0 bytes received",),
        after=2.0,
    ),
    Case(
        NGINX,
        DOWNLOADS,
        f"{PULLED}:after=50kB",
        "exit 18",
        SHORT_CURL,
        "upstream timed out (110: Connection timed out) while reading upstream",
        after=1.0,
    ),
    Case(
        NGINX,
        DOWNLOADS,
        PULLED,
        "exit 22",
        GATEWAY_TIMEOUT,
        "upstream timed out (110: Connection timed out) while reading response header from upstream",
        after=1.0,
    ),
    Case(REDIS, GETS, f"{PULLED}:after=100kB", REDIS_TIMEOUT, ("Timeout reading from socket",), after=1.5),
    Case(PSYCOPG, READS_PROBING, f"{PULLED}:after=100kB", OPERATIONAL, TIMED_OUT_QUERY, after=1.0),
    Case(PSYCOPG, READS_LIMITED, f"{PULLED}:after=100kB", "still waits"),
    Case(PSYCOPG, PIPELINES_LIMITED, f"{PULLED}:after=100kB", OPERATIONAL, TIMED_OUT_QUERY + RESET_QUERY, after=1.0),
    Case(PSYCOPG, LOGS_IN, PULLED, "psycopg.errors.ConnectionTimeout", ("connection timeout expired",), after=1.9),
    Case(CURL, DOWNLOADS, f"{GAVE_UP}:give_up=1s", "exit 56", RESET_CURL, after=1.0),
    Case(CURL, DOWNLOADS_LITTLE, f"{GAVE_UP}:give_up=1s", "exit 0"),
    Case(CURL, DOWNLOADS_LITTLE, f"{GAVE_UP}:give_up=1s,lost=all to client", "exit 56", RESET_CURL, after=1.0),
    Case(CURL, DOWNLOADS_TWICE, f"{GAVE_UP}:give_up=1s", "exit 0", after=1.0),
    Case(
        NGINX,
        DOWNLOADS,
        f"{GAVE_UP}:give_up=500ms",
        "exit 18",
        SHORT_CURL,
        "readv() failed (104: Connection reset by peer) while reading upstream",
        after=0.5,
    ),
    Case(REDIS, GETS, f"{GAVE_UP}:give_up=1s", REDIS_CONNECTION, RESET_REDIS, after=1.0),
    Case(PSYCOPG, READS, f"{GAVE_UP}:give_up=1s", OPERATIONAL, RESET_QUERY, after=1.0),
    Case(PSYCOPG, LOGS_IN, f"{GAVE_UP}:give_up=1s,lost=all to client", OPERATIONAL, RESET_LOGIN, after=1.0),
]


@dataclass(frozen=True)
class Outcome:
    """How a client has ended."""

    ends: str
    says: str
    seconds: float


def files(does: str) -> list[str]:
    """Return the names of what an HTTP client downloads."""
    return {DOWNLOADS_LITTLE: ["2kB"], DOWNLOADS_TWICE: ["2kB", "2kB"]}.get(does, ["5MB"])


def of(client: str) -> list[Case]:
    """Return the cases of a client."""
    return [case for case in CASES if case.client == client]


def same(pattern: str, text: str) -> bool:
    """Compare with a text where … stands for anything, and any white space for a space."""
    parts = (re.escape(part) for part in pattern.split("…"))
    return re.fullmatch(".+?".join(parts), " ".join(text.split())) is not None


def check(case: Case, outcome: Outcome) -> None:
    """Assert that a client has ended as its case says."""
    assert outcome.ends in case.ends.split(", or "), outcome
    assert any(same(says, outcome.says) for says in case.says), outcome
    assert outcome.seconds >= case.after, outcome
