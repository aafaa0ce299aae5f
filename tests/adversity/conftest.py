"""What every test of adversity ends with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.relay.peers import hang_up


@pytest.fixture(autouse=True)
def _end_of_talk() -> Iterator[None]:
    """End the flows of a test."""
    yield
    hang_up()
