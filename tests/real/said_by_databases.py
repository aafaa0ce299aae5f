"""What redis-py and psycopg say.

Measured with redis-py 8.1 against Redis 7.0, and psycopg 3.3 with libpq 18 against PostgreSQL 15.
"""

from __future__ import annotations

from tests.real.case import LIMIT, PSYCOPG, REDIS, RETURNS, STILL_WAITS, Case, Ending
from tests.real.said_by_curl import CLOSED_IDLE, DROPPED, FLAPPING, FORGOTTEN, RESET_IDLE, TOO_OLD, WAITED

GETS = "GET of 5 MB"
GETS_LITTLE = "GET of 200 B"
GETS_LATER = "GET of 200 B, and again when the policy has struck"
GETS_TWICE = "GET of 200 B, twice"
GETS_ON = "GET of 5 MB, again and again"
SETS = "SET of 5 MB"
LOGS_IN = "logs in"
ASKS_LATER = "sends a query, and another when the policy has struck"
ASKS_LATER_LIMITED = f"{ASKS_LATER}, `tcp_user_timeout=1000`"
COMMITS = "commits an INSERT"
READS = "reads a row of 5 MB"
READS_ON = "reads a row of 5 MB, again and again"
READS_PROBING = "reads a row of 5 MB, `keepalives_idle=1` `keepalives_interval=1` `keepalives_count=1`"
PIPELINES_LIMITED = "sends queries in a pipeline, `tcp_user_timeout=1000`"
READS_LIMITED = "reads a row of 5 MB, `tcp_user_timeout=1000`"

BLIP = "blip:after=100kB,lasts=300ms"

# ---- redis-py

CONNECTION, TIMEOUT = "redis.exceptions.ConnectionError", "redis.exceptions.TimeoutError"
RESET_ARGS = "(104, 'Connection reset by peer')"
RESET_READING = ((CONNECTION, f"Error while reading from 127.0.0.1:… : {RESET_ARGS}"),)
RESET_WRITING: Ending = (CONNECTION, "Error 104 while writing to socket. Connection reset by peer.")
RESET_CONNECTING: Ending = (CONNECTION, "Error 104 connecting to 127.0.0.1:…. Connection reset by peer.")
REFUSED = ((CONNECTION, "Error 111 connecting to 127.0.0.1:…. Connection refused."),)
CLOSED = ((CONNECTION, "Connection closed by server."),)
READ_TIMEOUT = ((TIMEOUT, "Timeout reading from socket"),)
WRITE_TIMEOUT = ((TIMEOUT, "Timeout writing to socket"),)
CONNECT_TIMEOUT = ((TIMEOUT, "Timeout connecting to server"),)

WITH_REDIS = [
    Case(REDIS, GETS, "closed-before-data", CLOSED),
    Case(REDIS, GETS, "unread-close-rst", RESET_READING),
    Case(REDIS, GETS, "half-close", CLOSED),
    Case(REDIS, GETS, "stalled-reader", READ_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(REDIS, SETS, "stalled-reader:after=100kB", WRITE_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(REDIS, GETS, "stalled-peer", READ_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(REDIS, GETS, "fin-mid-message:after=100kB", CLOSED),
    Case(REDIS, GETS, "lost-commit-ack:text=GET,give_up=1s", RESET_READING, after=1.0),
    Case(REDIS, GETS, BLIP, RETURNS, after=0.3),
    Case(REDIS, GETS_ON, FLAPPING, RETURNS, after=1.3),
    Case(REDIS, GETS, "vanished-host", READ_TIMEOUT + RESET_READING, limit=LIMIT),
    Case(REDIS, GETS, "connect-blackhole", CONNECT_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(REDIS, GETS, "connect-refused", REFUSED),
    Case(REDIS, GETS, "accept-then-reset", (RESET_CONNECTING, RESET_WRITING, *RESET_READING)),
    Case(REDIS, GETS_LITTLE, "byte-by-byte", RETURNS, after=0.2),
    Case(REDIS, GETS, "reset-mid-response:after=100kB", RESET_READING),
    Case(REDIS, GETS, "slow-link", RETURNS, after=0.2),
    Case(REDIS, GETS, "cable-pull:after=100kB", READ_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(REDIS, GETS, "gave-up-rst:give_up=1s", RESET_READING, after=1.0),
    Case(REDIS, GETS_LATER, FORGOTTEN, RESET_READING),
    Case(REDIS, GETS_LATER, DROPPED, READ_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(REDIS, GETS_LATER, RESET_IDLE, RETURNS),
    Case(REDIS, GETS_LATER, CLOSED_IDLE, RETURNS),
    Case(REDIS, GETS_TWICE, "http-keepalive-race", RESET_READING),
    Case(REDIS, GETS, "linger0-rst", RESET_READING),
    Case(REDIS, GETS, "content-reset:text=GET", RESET_READING),
    Case(REDIS, GETS, "firewall-rst:after=100kB", RESET_READING),
    Case(REDIS, GETS, "listen-overflow", READ_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(REDIS, GETS_LATER, TOO_OLD, RETURNS),
]

# ---- psycopg

OPERATIONAL = "psycopg.OperationalError"
GONE = (
    "server closed the connection unexpectedly "
    "This probably means the server terminated abnormally before or while processing the request."
)
AT_LOGIN = 'connection failed: connection to server at "127.0.0.1", port … failed: '
NOBODY = "Is the server running on that host and accepting TCP/IP connections?"
QUERY_GONE = ((OPERATIONAL, f"consuming input failed: {GONE}"),)
LOGIN_GONE = ((OPERATIONAL, f"{AT_LOGIN}{GONE}"),)
LOGIN_RESET: Ending = (OPERATIONAL, f"{AT_LOGIN}Connection reset by peer {NOBODY}")
LOGIN_REFUSED = ((OPERATIONAL, f"{AT_LOGIN}Connection refused {NOBODY}"),)
LOGIN_TIMEOUT = (("psycopg.errors.ConnectionTimeout", "connection timeout expired"),)
QUERY_TIMEOUT = ((OPERATIONAL, "consuming input failed: could not receive data from server: Connection timed out"),)
"""ETIMEDOUT is told once, to the call that comes first: where that is a send, libpq's next recv finds end of file."""

WITH_PSYCOPG = [
    Case(PSYCOPG, LOGS_IN, "closed-before-data", LOGIN_GONE),
    Case(PSYCOPG, LOGS_IN, "unread-close-rst", LOGIN_GONE),
    Case(PSYCOPG, LOGS_IN, "half-close", LOGIN_GONE),
    Case(PSYCOPG, LOGS_IN, "stalled-reader", LOGIN_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(PSYCOPG, LOGS_IN, "stalled-peer", LOGIN_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(PSYCOPG, READS, "fin-mid-message:after=100kB", QUERY_GONE),
    Case(PSYCOPG, COMMITS, "lost-commit-ack:give_up=1s", QUERY_GONE, after=1.0),
    Case(PSYCOPG, READS, BLIP, RETURNS, after=0.3),
    Case(PSYCOPG, READS_ON, FLAPPING, RETURNS, after=1.3),
    Case(PSYCOPG, LOGS_IN, "vanished-host", LOGIN_GONE),
    Case(PSYCOPG, READS_PROBING, "vanished-host:after=100kB", QUERY_GONE),
    Case(PSYCOPG, LOGS_IN, "connect-blackhole", LOGIN_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(PSYCOPG, LOGS_IN, "connect-refused", LOGIN_REFUSED),
    Case(PSYCOPG, LOGS_IN, "accept-then-reset", (LOGIN_RESET, *LOGIN_GONE)),
    Case(PSYCOPG, LOGS_IN, "byte-by-byte", RETURNS, after=0.2),
    Case(PSYCOPG, READS, "reset-mid-response:after=100kB", QUERY_GONE),
    Case(PSYCOPG, LOGS_IN, "reset-mid-response:after=100B", LOGIN_GONE),
    Case(PSYCOPG, READS, "slow-link", RETURNS, after=0.4),
    Case(PSYCOPG, READS_PROBING, "cable-pull:after=100kB", QUERY_TIMEOUT, after=1.0),
    Case(PSYCOPG, READS_LIMITED, "cable-pull:after=100kB", STILL_WAITS),
    Case(PSYCOPG, PIPELINES_LIMITED, "cable-pull:after=100kB", QUERY_TIMEOUT + QUERY_GONE, after=1.0),
    Case(PSYCOPG, LOGS_IN, "cable-pull", LOGIN_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(PSYCOPG, READS, "gave-up-rst:give_up=1s", QUERY_GONE, after=1.0),
    Case(PSYCOPG, LOGS_IN, "gave-up-rst:give_up=1s,lost=all to client", LOGIN_GONE, after=1.0),
    Case(PSYCOPG, ASKS_LATER, FORGOTTEN, QUERY_GONE),
    Case(PSYCOPG, ASKS_LATER_LIMITED, DROPPED, QUERY_TIMEOUT, after=1.0),
    Case(PSYCOPG, ASKS_LATER, RESET_IDLE, QUERY_GONE),
    Case(PSYCOPG, ASKS_LATER, CLOSED_IDLE, QUERY_GONE),
    Case(PSYCOPG, READS, "http-keepalive-race", QUERY_GONE),
    Case(PSYCOPG, LOGS_IN, "linger0-rst", LOGIN_GONE),
    Case(PSYCOPG, READS, "content-reset:text=SELECT", QUERY_GONE),
    Case(PSYCOPG, READS, "firewall-rst:after=100kB", QUERY_GONE),
    Case(PSYCOPG, LOGS_IN, "listen-overflow", LOGIN_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(PSYCOPG, ASKS_LATER, TOO_OLD, QUERY_GONE),
]
