"""Counts what open flows are, have moved and hold: asked for, never on the way of a byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from bustedwall.terms.census import Census

if TYPE_CHECKING:
    from bustedwall.relay.leg import TcpLeg
    from bustedwall.relay.service import Proxy


def census(proxies: Iterable[Proxy]) -> Iterator[Census]:
    """Return the sums of each name; a proxy that ends and one that takes its place may share one."""
    named: dict[str, list[Proxy]] = {}
    for proxy in proxies:
        named.setdefault(proxy.proxy_name, []).append(proxy)
    return (_of(name, same) for name, same in named.items())


def _of(name: str, proxies: list[Proxy]) -> Census:
    flows = from_client = from_server = held = 0
    faults: Counter[str] = Counter()
    for proxy in proxies:
        faults.update(_word(fault) for _, fault in proxy.table.armed)
        flows += len(proxy.flows)
        for flow in proxy.flows:
            from_client += flow.client.moved
            if flow.client.blocked:
                held += waiting(flow.client)
            server = flow.server
            if server is not None:
                from_server += server.moved
                if server.blocked:
                    held += waiting(server)
            logic = flow.logic
            if logic is not None:
                held += logic.held
                faults.update(_word(fault) for _, fault in logic.armed)
    return Census(name, flows, from_client, from_server, held, faults)


def waiting(leg: TcpLeg) -> int:
    """Return how many bytes wait for a leg's kernel to take them."""
    return leg.piped + sum(map(len, leg.pending or ()))


def _word(fault: str) -> str:
    return fault.partition(" ")[0]
