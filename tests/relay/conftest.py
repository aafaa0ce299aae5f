"""Proxies without policies, and the way to talk through them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.relay.peers import VERSIONS, hang_up
from tests.relay.rig import Rig, Talk, running

Connect = Callable[..., Talk]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Run proxies that change nothing."""
    with running(tmp_path_factory.mktemp("wall")) as rig:
        yield rig


@pytest.fixture
def connect(rig: Rig) -> Iterator[Connect]:
    """Open flows; they are ended with the test."""
    yield rig.connect
    rig.hang_up()


@pytest.fixture(params=VERSIONS, ids=lambda version: f"IPv{version}")
def version(request: pytest.FixtureRequest) -> int:
    """Run the test over IPv4, then over IPv6."""
    return request.param


@pytest.fixture(autouse=True)
def _end_of_talk() -> Iterator[None]:
    """End the flows of a test."""
    yield
    hang_up()
