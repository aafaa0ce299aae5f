"""How a program of these suites waits for what happens to it: by the facts of its proxy, and not by a time."""

from __future__ import annotations

from bustedwall.client import Client


class Breaking:
    """Knows what has happened since it was made."""

    def __init__(self) -> None:
        self._control = Client()  # BUSTEDWALL_CONTROL says where
        self._since = self._control.last()

    def warm(self, fact: str = "rule-fired") -> None:
        """Say that all may be broken, and wait until it is."""
        print("warm", flush=True)
        self.until(fact)

    def until(self, fact: str) -> None:
        """Wait until such a fact has come."""
        self._control.wait_fact(fact, after=self._since, within=25)
