"""Each trick is tried on every kind of connection that the proxy meets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.kernel.pairs import KINDS, Pair, connected_pair


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Open a connection: our end and the peer's."""
    with connected_pair(request.param) as pair:
        yield pair
