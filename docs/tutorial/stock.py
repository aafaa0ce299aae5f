"""Asks the warehouse, and keeps its connection from one question to the next."""

from __future__ import annotations

import http.client
import sys


class Stock:
    """What there is in the warehouse at HOST:PORT."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=30)

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
        self._connection.request(method, f"/{item}")
        return int(self._connection.getresponse().read())


if __name__ == "__main__":
    stock = Stock(sys.argv[1])
    for item in sys.stdin.read().split():
        print(f"{item}: {stock.count(item)}", flush=True)
