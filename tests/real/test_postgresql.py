"""psycopg before a PostgreSQL."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from tests.real.case import PATIENT, PSYCOPG, STILL_WAITS, Case, Outcome, check
from tests.real.conftest import StartWall
from tests.real.expected import of
from tests.real.said_by_databases import (
    ASKS_LATER,
    ASKS_LATER_LIMITED,
    COMMITS,
    LOGS_IN,
    PIPELINES_LIMITED,
    READS,
    READS_LIMITED,
    READS_ON,
    READS_PROBING,
)
from tests.real.servers import HANG, HOST, Server
from tests.real.wall import Wall

Connection = Any
"""psycopg.Connection; `make test` does not install it."""

# initdb on a busy machine: the first test of a process waits for it.
pytestmark = [pytest.mark.real("postgresql"), pytest.mark.timeout(180)]

ROWS = 156_250
QUERY = f"SELECT string_agg(md5(i::text), '') FROM generate_series(1, {ROWS}) AS i"
ANSWER = "".join(hashlib.md5(str(i).encode()).hexdigest() for i in range(1, ROWS + 1))
"""5 MB."""

READING = {"sslmode": "disable"}  # so that the first byte of the server is one of its login
SETTINGS: dict[str, dict[str, object]] = {
    COMMITS: READING,
    READS_ON: READING,
    ASKS_LATER: READING,
    ASKS_LATER_LIMITED: {**READING, "tcp_user_timeout": 1000},
    PIPELINES_LIMITED: {**READING, "tcp_user_timeout": 1000},
    READS: READING,
    READS_PROBING: {**READING, "keepalives_idle": 1, "keepalives_interval": 1, "keepalives_count": 1},
    READS_LIMITED: {**READING, "tcp_user_timeout": 1000},
}

READER = """
import sys, psycopg
with psycopg.connect(sys.argv[1]) as connection:
    print("reads", flush=True)
    connection.execute(sys.argv[2])
"""


def settings(port: int, does: str, limit: float = PATIENT) -> dict[str, object]:
    """Return how a case connects."""
    common = {"host": HOST, "port": port, "user": "postgres", "dbname": "postgres", "gssencmode": "disable"}
    return {**common, "connect_timeout": round(limit), **SETTINGS.get(does, {})}


@pytest.fixture(scope="module")
def server(psycopg: ModuleType, postgresql: Server) -> Server:
    """A PostgreSQL with a table that answers: it listens a moment before it does."""
    deadline = time.monotonic() + HANG
    while True:
        try:
            with psycopg.connect(**settings(postgresql.port, "")) as connection:
                connection.execute("CREATE TABLE orders (number int)")
        except psycopg.OperationalError as error:
            if "starting up" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)  # between two attempts, not instead of one
        else:
            return postgresql


def read(connection: Connection) -> None:
    ((answer,),) = connection.execute(QUERY).fetchall()
    # Not `assert a == b`: a difference of megabytes takes pytest minutes to show.
    same = answer == ANSWER
    assert same, "the answer has changed on its way"


def read_on(connection: Connection, proxy: Wall) -> None:
    """Read again and again until the policy has had its effect."""
    deadline = time.monotonic() + PATIENT
    while not proxy.proved():
        assert time.monotonic() < deadline, "the policy has no effect"
        read(connection)


def pipeline(connection: Connection) -> None:
    """Send queries, whether answers come or not, until an error ends it."""
    with connection.pipeline():
        while True:
            connection.execute("SELECT 1")


def ask_later(connection: Connection, proxy: Wall) -> None:
    """Ask, leave the connection idle until the policy has struck, and ask again."""
    connection.execute("SELECT 1")
    proxy.until_struck()
    connection.execute("SELECT 1")


def commit(connection: Connection, proxy: Wall) -> None:
    """Write a row that nobody else writes; the end of the connection's block commits it."""
    connection.execute("INSERT INTO orders VALUES (%s)", [proxy.port])


ACTS: dict[str, Callable[[Connection, Wall], None]] = {
    ASKS_LATER: ask_later,
    ASKS_LATER_LIMITED: ask_later,
    COMMITS: commit,
    LOGS_IN: lambda connection, _: connection.execute("SELECT 1"),
    PIPELINES_LIMITED: lambda connection, _: pipeline(connection),
    READS: lambda connection, _: read(connection),
    READS_ON: read_on,
    READS_PROBING: lambda connection, _: read(connection),
}


def test_without_a_policy_psycopg_gets_every_byte(psycopg: ModuleType, server: Server, wall: StartWall) -> None:
    with psycopg.connect(**settings(wall(server, None).port, "")) as connection:
        read(connection)


@pytest.mark.parametrize("case", [case for case in of(PSYCOPG) if case.endings != STILL_WAITS], ids=str)
def test_psycopg_ends_and_speaks_as_the_page_says(
    psycopg: ModuleType, server: Server, wall: StartWall, case: Case
) -> None:
    proxy = wall(server, case.policy)
    ends, says = "returns", ""
    began = time.monotonic()
    try:
        with psycopg.connect(**settings(proxy.port, case.does, case.limit)) as connection:
            ACTS[case.does](connection, proxy)
    except psycopg.Error as error:
        module = type(error).__module__
        ends, says = f"{module}.{type(error).__qualname__}", str(error)
    seconds = time.monotonic() - began

    check(case, Outcome(ends, says, seconds))


def test_a_commit_whose_answer_is_lost_was_done_all_the_same(
    psycopg: ModuleType, server: Server, wall: StartWall
) -> None:
    proxy = wall(server, "lost-commit-ack:give_up=1s")

    with (
        pytest.raises(psycopg.OperationalError),
        psycopg.connect(**settings(proxy.port, COMMITS)) as connection,
    ):
        commit(connection, proxy)

    with psycopg.connect(**settings(server.port, "")) as connection:
        rows = connection.execute("SELECT number FROM orders WHERE number = %s", [proxy.port]).fetchall()
    assert rows == [(proxy.port,)]


@pytest.mark.parametrize("case", [case for case in of(PSYCOPG) if case.endings == STILL_WAITS], ids=str)
def test_psycopg_that_only_reads_waits_long_after_its_limit_for_what_it_sends(
    psycopg: ModuleType, server: Server, wall: StartWall, case: Case
) -> None:
    """A process of its own waits, because it has to be killed."""
    proxy = wall(server, case.policy)
    conninfo = psycopg.conninfo.make_conninfo(**settings(proxy.port, case.does))

    command = [sys.executable, "-c", READER, conninfo, QUERY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stderr is not None
        try:
            assert reader.stdout.readline() == b"reads\n"
            proxy.until_struck()
            with pytest.raises(subprocess.TimeoutExpired):
                reader.wait(3)  # thrice its limit
        finally:
            reader.kill()
        assert not reader.stderr.read()
