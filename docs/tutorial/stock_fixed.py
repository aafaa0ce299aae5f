"""Asks the warehouse, and keeps its connection from one question to the next."""

from __future__ import annotations

import http.client
import sys
import time

MAX_IDLE = 300.0
"""Seconds after which a connection is not used again: the load balancer forgets it after 350."""


class Stock:
    """What there is in the warehouse at HOST:PORT."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=30)
        self._last = 0.0

    def count(self, item: str) -> int:
        """Return how many there are; to ask twice does no harm."""
        return self._ask("GET", item)

    def take(self, item: str) -> int:
        """Take one away; return how many are left."""
        return self._ask("POST", item)

    def close(self) -> None:
        """Give the connection up."""
        self._connection.close()

    def _ask(self, method: str, item: str) -> int:
        if time.monotonic() - self._last > MAX_IDLE:
            self.close()  # the next request opens another
        used_before = self._connection.sock is not None
        try:
            return self._ask_once(method, item)
        except ConnectionError:
            self.close()
            # A new connection that fails means trouble. One that was used before may just have ended.
            if not used_before or method != "GET":
                raise
            return self._ask_once(method, item)
        finally:
            self._last = time.monotonic()

    def _ask_once(self, method: str, item: str) -> int:
        self._connection.request(method, f"/{item}")
        return int(self._connection.getresponse().read())


if __name__ == "__main__":
    stock = Stock(sys.argv[1])
    for item in sys.stdin.read().split():
        print(f"{item}: {stock.count(item)}", flush=True)
