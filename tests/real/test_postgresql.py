"""psycopg before a PostgreSQL."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from types import ModuleType

import pytest
from tests.real.conftest import StartWall
from tests.real.expected import (
    PIPELINES_LIMITED,
    PSYCOPG,
    READS,
    READS_LIMITED,
    READS_PROBING,
    Case,
    Outcome,
    check,
    of,
)
from tests.real.servers import HANG, HOST, Server, met

pytestmark = pytest.mark.real("postgresql")

ROWS = 156_250
QUERY = f"SELECT string_agg(md5(i::text), '') FROM generate_series(1, {ROWS}) AS i"
ANSWER = "".join(hashlib.md5(str(i).encode()).hexdigest() for i in range(1, ROWS + 1))
"""5 MB."""

READING = {"sslmode": "disable"}  # so that the first byte of the server is one of its login
SETTINGS: dict[str, dict[str, object]] = {
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


def settings(port: int, does: str) -> dict[str, object]:
    """Return how a case connects; two seconds are the shortest connect_timeout that libpq takes."""
    common = {"host": HOST, "port": port, "user": "postgres", "dbname": "postgres", "gssencmode": "disable"}
    return {**common, "connect_timeout": 2, **SETTINGS.get(does, {})}


@pytest.fixture(scope="module")
def server(psycopg: ModuleType, postgresql: Server) -> Server:
    """A PostgreSQL that answers: it listens a moment before it does."""
    deadline = time.monotonic() + HANG
    while True:
        try:
            psycopg.connect(**settings(postgresql.port, "")).close()
        except psycopg.OperationalError as error:
            if "starting up" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)  # between two attempts, not instead of one
        else:
            return postgresql


def read(psycopg: ModuleType, port: int, does: str) -> str:
    with psycopg.connect(**settings(port, does)) as connection:
        ((answer,),) = connection.execute(QUERY).fetchall()
    return answer


def pipeline(psycopg: ModuleType, port: int, does: str) -> str:
    """Send queries, whether answers come or not, until an error ends it."""
    with psycopg.connect(**settings(port, does)) as connection, connection.pipeline():
        while True:
            connection.execute("SELECT 1")


def test_without_a_policy_psycopg_gets_every_byte(psycopg: ModuleType, server: Server, wall: StartWall) -> None:
    answer = read(psycopg, wall(server, None).port, "")

    assert len(answer) == 5_000_000
    assert hashlib.sha256(answer.encode()).digest() == hashlib.sha256(ANSWER.encode()).digest()


@pytest.mark.parametrize("case", [case for case in of(PSYCOPG) if case.ends != "still waits"], ids=str)
def test_psycopg_ends_and_speaks_as_the_page_says(
    psycopg: ModuleType, server: Server, wall: StartWall, case: Case
) -> None:
    proxy = wall(server, case.policy)
    act = pipeline if case.does == PIPELINES_LIMITED else read
    ends, says, answer = "returns", "", ""
    began = time.monotonic()
    try:
        answer = act(psycopg, proxy.port, case.does)
    except psycopg.Error as error:
        module = type(error).__module__
        ends, says = f"{module}.{type(error).__qualname__}", str(error)
    seconds = time.monotonic() - began

    check(case, Outcome(ends, says, seconds))
    met(proxy)
    if ends == "returns":
        assert hashlib.sha256(answer.encode()).digest() == hashlib.sha256(ANSWER.encode()).digest()


@pytest.mark.parametrize("case", [case for case in of(PSYCOPG) if case.ends == "still waits"], ids=str)
def test_psycopg_that_only_reads_waits_long_after_its_limit_for_what_it_sends(
    psycopg: ModuleType, server: Server, wall: StartWall, case: Case
) -> None:
    """A process of its own waits, because it has to be killed."""
    proxy = wall(server, case.policy)
    conninfo = psycopg.conninfo.make_conninfo(**settings(proxy.port, case.does))

    with pytest.raises(subprocess.TimeoutExpired) as waited:
        subprocess.run([sys.executable, "-c", READER, conninfo, QUERY], capture_output=True, timeout=4, check=False)

    assert waited.value.stdout == b"reads\n"
    assert not waited.value.stderr
    met(proxy)
