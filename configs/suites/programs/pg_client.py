"""PostgreSQL: `pg_client.py CLIENT WHAT SETTINGS`; CLIENT is psycopg, asyncpg or sqlalchemy."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid

import asyncpg
import psycopg
import sqlalchemy
from breaking import Breaking

client, what, settings = sys.argv[1:]
mended = settings == "mended"
host, port = os.environ["BUSTEDWALL_DB_HOST"], int(os.environ["BUSTEDWALL_DB_PORT"])
WHERE = f"host={host} port={port} user=postgres dbname=postgres sslmode=disable"
breaking = Breaking()


def engine() -> sqlalchemy.Engine:
    """A pool of one connection."""
    more = {"pool_pre_ping": True, "connect_args": {"tcp_user_timeout": 500}} if mended else {}
    return sqlalchemy.create_engine(
        f"postgresql+psycopg://postgres@{host}:{port}/postgres?sslmode=disable", pool_size=1, max_overflow=0, **more
    )


def stale() -> None:
    """A pooled connection is used again after it has died."""
    pool = engine()
    for n in range(2):
        with pool.connect() as connection:
            assert connection.execute(sqlalchemy.text("SELECT 1")).scalar() == 1
        if not n:
            breaking.warm()


def reset() -> None:
    """A connection is reset in the middle of a long answer."""
    attempts = 3 if mended else 1
    for n in range(attempts):
        try:
            with psycopg.connect(WHERE) as connection:
                rows = connection.execute("SELECT repeat('x', 1000) FROM generate_series(1, 200)").fetchall()
                assert len(rows) == 200
                return
        except psycopg.OperationalError:
            if n == attempts - 1:
                raise


def commit() -> None:
    """The server commits, and its answer is lost: was it written?"""
    order = uuid.uuid4()
    with psycopg.connect(WHERE, autocommit=True) as connection:
        unique = "UNIQUE" if mended else ""
        connection.execute(f"CREATE TABLE IF NOT EXISTS orders_{settings} (order_id uuid {unique})")
    breaking.warm("rules-changed")
    insert = f"INSERT INTO orders_{settings} VALUES (%s)" + (" ON CONFLICT DO NOTHING" if mended else "")
    for _ in range(3):
        try:
            with psycopg.connect(WHERE) as connection:
                connection.execute(insert, (order,))
            break
        except psycopg.OperationalError as error:
            print("repeats after:", str(error).splitlines()[0], flush=True)
    with psycopg.connect(WHERE) as connection:
        count = connection.execute(f"SELECT count(*) FROM orders_{settings} WHERE order_id = %s", (order,)).fetchone()
    assert count == (1,), f"the order is there {count[0]} times"


async def close() -> None:
    """The pool is closed while nobody answers."""
    pool = await asyncpg.create_pool(host=host, port=port, user="postgres", database="postgres", ssl=False, min_size=1)
    assert await pool.fetchval("SELECT 1") == 1
    breaking.warm()
    query = asyncio.create_task(pool.fetchval("SELECT 2"))
    await asyncio.sleep(0.1)
    if not mended:
        await pool.close()  # it waits for the query
        return
    try:
        await asyncio.wait_for(pool.close(), 1)
    except TimeoutError:
        pool.terminate()
    query.cancel()
    print("closed", flush=True)


async def query() -> None:
    """A query, of which nobody hears any more."""
    limits = {"command_timeout": 3} if mended else {}
    connection = await asyncpg.connect(host=host, port=port, user="postgres", database="postgres", ssl=False, **limits)
    assert await connection.fetchval("SELECT 1") == 1
    breaking.warm()
    try:
        await connection.fetchval("SELECT 2")
    finally:
        connection.terminate()


try:
    if client == "asyncpg":
        asyncio.run({"close": close, "query": query}[what]())
    else:
        {"stale": stale, "reset": reset, "commit": commit}[what]()
except (psycopg.Error, sqlalchemy.exc.SQLAlchemyError, asyncpg.PostgresError, OSError, AssertionError) as error:
    sys.exit(f"told: {type(error).__name__}: {error}")
print("right")
