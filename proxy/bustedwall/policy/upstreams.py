"""`upstreams`: where proxies of the HTTP API may lead, so that who may ask it has no way to everywhere."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from bustedwall.policy.address import Address

_MOST = 65535


@dataclass(frozen=True, slots=True)
class Allowed:
    """One entry: a host, or the addresses of a network, with one port or all."""

    host: str
    """As it is written: a name is not resolved, for what it leads to may change."""
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Allowed:
        """Return what `HOST`, `HOST:PORT`, `ADDRESS/BITS` or `ADDRESS/BITS:PORT` means; raises ValueError."""
        host, port = text, None
        if text.startswith("[") or text.count(":") == 1:
            host, _, digits = text.rpartition(":")
            if not digits.isascii() or not digits.isdigit() or not 1 <= int(digits[:6]) <= _MOST:
                raise ValueError(f"expected a port from 1 to {_MOST} behind the ':', got '{digits}'")
            host, port = host.removeprefix("[").removesuffix("]"), int(digits)
        if not host or any(c.isspace() for c in host):
            raise ValueError(f"expected HOST, HOST:PORT or a network such as 10.0.0.0/8, got '{text}'")
        if "/" in host:
            ipaddress.ip_network(host)  # raises a sentence of its own
        return cls(host.lower(), port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host and self.port is not None else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def has(self, upstream: Address) -> bool:
        """Tell whether an upstream is meant."""
        if self.port not in (None, upstream.port):
            return False
        if self.host == upstream.host.lower():
            return True
        try:
            return ipaddress.ip_address(upstream.host) in ipaddress.ip_network(self.host)
        except ValueError:  # one of them is a name
            return False


def permits(allowed: Iterable[Allowed] | None, upstream: Address) -> bool:
    """Tell whether a proxy may lead there; None: nothing was said, so it may."""
    return allowed is None or any(one.has(upstream) for one in allowed)
