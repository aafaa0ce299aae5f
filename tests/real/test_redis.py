"""redis-py before a Redis."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
from tests.real.case import PATIENT, REDIS, Case, Outcome, check
from tests.real.conftest import StartWall
from tests.real.expected import of
from tests.real.said_by_databases import GETS, GETS_LATER, GETS_LITTLE, GETS_ON, GETS_TWICE, SETS
from tests.real.servers import HOST, Server
from tests.real.wall import Wall

Redis = Any
"""redis.Redis; `make test` does not install it."""

pytestmark = pytest.mark.real("redis-server")

VALUE = random.Random(7).randbytes(5_000_000)
LITTLE = VALUE[:200]


@contextmanager
def client(redis_py: ModuleType, port: int, retries: int = 0, limit: float = PATIENT) -> Iterator[Redis]:
    """Return a client that gives up soon; without retries it tells its first error."""
    from redis.backoff import NoBackoff  # noqa: PLC0415 (not installed by `make test`)
    from redis.retry import Retry  # noqa: PLC0415

    limits = {"socket_timeout": limit, "socket_connect_timeout": limit}
    with redis_py.Redis(HOST, port, retry=Retry(NoBackoff(), retries), **limits) as redis:
        yield redis


@pytest.fixture(scope="module")
def server(redis_py: ModuleType, redis_server: Server) -> Server:
    """A Redis that has VALUE and LITTLE."""
    with client(redis_py, redis_server.port) as redis:
        redis.set("value", VALUE)
        redis.set("little", LITTLE)
    return redis_server


def test_without_a_policy_redis_py_gets_every_byte(redis_py: ModuleType, server: Server, wall: StartWall) -> None:
    with client(redis_py, wall(server, None).port) as redis:
        redis.set("copy", VALUE)
        copy = redis.get("copy")

    assert hashlib.sha256(copy).digest() == hashlib.sha256(VALUE).digest()


def gets(redis: Redis, name: str, value: bytes) -> None:
    # Not `assert a == b`: a difference of megabytes takes pytest minutes to show.
    same = redis.get(name) == value
    assert same, f"{name} has changed on its way"


def gets_on(redis: Redis, proxy: Wall) -> None:
    """Get the value again and again until the policy has had its effect."""
    deadline = time.monotonic() + PATIENT
    while not proxy.proved():
        assert time.monotonic() < deadline, "the policy has no effect"
        gets(redis, "value", VALUE)


def gets_later(redis: Redis, proxy: Wall) -> None:
    """Get a value, leave the connection idle until the policy has struck, and get it again."""
    gets(redis, "little", LITTLE)
    proxy.until_struck()
    gets(redis, "little", LITTLE)


def gets_twice(redis: Redis) -> None:
    gets(redis, "little", LITTLE)
    gets(redis, "little", LITTLE)


ACTS: dict[str, Callable[[Redis, Wall], None]] = {
    GETS: lambda redis, _: gets(redis, "value", VALUE),
    GETS_LATER: gets_later,
    GETS_TWICE: lambda redis, _: gets_twice(redis),
    GETS_LITTLE: lambda redis, _: gets(redis, "little", LITTLE),
    GETS_ON: gets_on,
    SETS: lambda redis, _: redis.set("copy", VALUE),
}


@pytest.mark.parametrize("case", of(REDIS), ids=str)
def test_redis_py_ends_and_speaks_as_the_page_says(
    redis_py: ModuleType, server: Server, wall: StartWall, case: Case
) -> None:
    proxy = wall(server, case.policy)
    ends, says = "returns", ""
    began = time.monotonic()
    with client(redis_py, proxy.port, limit=case.limit) as redis:
        try:
            ACTS[case.does](redis, proxy)
        except redis_py.RedisError as error:
            ends, says = f"{type(error).__module__}.{type(error).__qualname__}", str(error)
        seconds = time.monotonic() - began

    check(case, Outcome(ends, says, seconds))


def test_redis_py_meets_the_policy_again_with_each_retry(redis_py: ModuleType, server: Server, wall: StartWall) -> None:
    proxy = wall(server, "reset-mid-response:after=100kB")

    with client(redis_py, proxy.port, retries=3) as redis, pytest.raises(redis_py.ConnectionError):
        redis.get("value")

    proxy.until_fired(4)
    assert len(proxy.facts("rule-fired")) == 4
