"""A network of its own for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.groundtruth.network import Host, Network, built
from tests.groundtruth.segments import Wiretap


@pytest.fixture
def network() -> Iterator[Network]:
    with built() as network:
        yield network


@pytest.fixture
def wiretap() -> Iterator[Callable[[Host], Wiretap]]:
    """Return what taps a host's wires; they are left alone when the test is over."""
    taps: list[Wiretap] = []

    def tap(host: Host) -> Wiretap:
        taps.append(Wiretap(host))
        return taps[-1]

    yield tap
    for each in taps:
        each.close()
