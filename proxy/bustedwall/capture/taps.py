"""All taps of a process, until each has written what it had to."""

from __future__ import annotations

import time
from pathlib import Path

from bustedwall.capture.tap import Reactor, Tap

_PATIENCE = 2.0
"""Seconds for which the end of the process waits for what is not written yet."""


class Taps:
    """Opens taps and remembers them."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._taps: list[Tap] = []

    def open(self, name: str, folder: Path, snaplen: int, ports: list[int]) -> Tap:
        """Return a tap for the flows of a proxy, whose doors and upstreams have these ports; raises OSError."""
        self._taps = [tap for tap in self._taps if not tap.over]
        tap = Tap(self._reactor, name, folder, snaplen, ports)
        self._taps.append(tap)
        return tap

    def close(self) -> None:
        """Have all of them write what is left; their flows are closed."""
        until = time.monotonic() + _PATIENCE
        for tap in self._taps:
            tap.leave()
        for tap in self._taps:
            tap.wait(max(0.0, until - time.monotonic()))
