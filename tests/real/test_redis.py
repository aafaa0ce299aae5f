"""redis-py before a Redis."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
from tests.real.conftest import StartWall
from tests.real.expected import REDIS, Case, Outcome, check, of
from tests.real.servers import HOST, Server, met

pytestmark = pytest.mark.real("redis-server")

VALUE = random.Random(7).randbytes(5_000_000)


@contextmanager
def client(redis_py: ModuleType, port: int, retries: int = 0, limit: float = 1.5) -> Iterator[Any]:
    """Return a client that gives up soon; without retries it tells its first error."""
    from redis.backoff import NoBackoff  # noqa: PLC0415 (not installed by `make test`)
    from redis.retry import Retry  # noqa: PLC0415

    with redis_py.Redis(HOST, port, socket_timeout=limit, retry=Retry(NoBackoff(), retries)) as redis:
        yield redis


@pytest.fixture(scope="module")
def server(redis_py: ModuleType, redis_server: Server) -> Server:
    """A Redis that has VALUE."""
    with client(redis_py, redis_server.port, limit=10) as redis:
        redis.set("value", VALUE)
    return redis_server


def test_without_a_policy_redis_py_gets_every_byte(redis_py: ModuleType, server: Server, wall: StartWall) -> None:
    with client(redis_py, wall(server, None).port, limit=10) as redis:
        redis.set("copy", VALUE)
        copy = redis.get("copy")

    assert hashlib.sha256(copy).digest() == hashlib.sha256(VALUE).digest()


@pytest.mark.parametrize("case", of(REDIS), ids=str)
def test_redis_py_ends_and_speaks_as_the_page_says(
    redis_py: ModuleType, server: Server, wall: StartWall, case: Case
) -> None:
    proxy = wall(server, case.policy)
    ends, says, value = "returns", "", b""
    began = time.monotonic()
    with client(redis_py, proxy.port) as redis:
        try:
            value = redis.get("value")
        except redis_py.RedisError as error:
            ends, says = f"{type(error).__module__}.{type(error).__qualname__}", str(error)
        seconds = time.monotonic() - began

    check(case, Outcome(ends, says, seconds))
    met(proxy)
    if ends == "returns":
        assert hashlib.sha256(value).digest() == hashlib.sha256(VALUE).digest()


def test_redis_py_meets_the_policy_again_with_each_retry(redis_py: ModuleType, server: Server, wall: StartWall) -> None:
    proxy = wall(server, "reset-mid-response:after=100kB")

    with client(redis_py, proxy.port, retries=3) as redis, pytest.raises(redis_py.ConnectionError):
        redis.get("value")

    met(proxy, times=4)
    assert proxy.facts().count("rule-fired") == 4
