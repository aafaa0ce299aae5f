"""PyMySQL: `mysql_client.py WHAT SETTINGS`; WHAT is `idle`, `reset` or `silent`."""

from __future__ import annotations

import os
import sys

import pymysql
from breaking import Breaking

what, settings = sys.argv[1:]
mended = settings == "mended"
limits = {"read_timeout": 3, "write_timeout": 3, "connect_timeout": 3} if mended else {}


def connect() -> pymysql.Connection:
    return pymysql.connect(
        host=os.environ["BUSTEDWALL_DB_HOST"], port=int(os.environ["BUSTEDWALL_DB_PORT"]), user="root", **limits
    )


def ask(connection: pymysql.Connection, query: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return len(cursor.fetchall())


def idle() -> None:
    """A connection is quiet for longer than wait_timeout."""
    breaking = Breaking()
    connection = connect()
    breaking.until("rule-fired")
    if mended:
        connection.ping(reconnect=True)
    assert ask(connection, "SELECT 1") == 1


def reset() -> None:
    """A connection is reset in the middle of a long answer."""
    attempts = 3 if mended else 1
    for n in range(attempts):
        try:
            assert ask(connect(), "SELECT REPEAT('x', 1000) FROM mysql.help_topic LIMIT 200") == 200
            return
        except pymysql.OperationalError:
            if n == attempts - 1:
                raise


def silent() -> None:
    """Nobody answers any more."""
    breaking = Breaking()
    connection = connect()
    breaking.warm()
    ask(connection, "SELECT 1")


try:
    {"idle": idle, "reset": reset, "silent": silent}[what]()
except (pymysql.Error, AssertionError) as error:
    sys.exit(f"told: {type(error).__name__}: {error}")
print("right")
