"""Real servers, started once for each process of pytest, and a proxy for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest
from tests.real import servers
from tests.real.servers import Server
from tests.real.wall import Wall
from tests.real.wall import wall as running_wall

StartWall = Callable[[Server, "str | None"], Wall]


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with servers.nginx(tmp_path_factory.mktemp("nginx")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with servers.redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    with servers.postgresql() as server:
        yield server


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[StartWall]:
    """Start the proxy of this test before a server; a policy must have had its effect when the test ends."""
    with ExitStack() as stack:
        yield lambda server, policy: stack.enter_context(running_wall(tmp_path, server.port, policy))


@pytest.fixture(scope="session")
def redis_py() -> ModuleType:
    """Import it late: `make test` does not install it, and skips what uses it."""
    import redis  # noqa: PLC0415

    return redis


@pytest.fixture(scope="session")
def psycopg() -> ModuleType:
    """As above."""
    import psycopg  # noqa: PLC0415

    return psycopg
