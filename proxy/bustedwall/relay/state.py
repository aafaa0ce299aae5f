"""What proxies and flows are doing, as plain data: for who looks, never for who decides."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bustedwall.policy.address import Address
from bustedwall.relay.census import waiting

if TYPE_CHECKING:
    from bustedwall.relay.leg import TcpLeg
    from bustedwall.relay.service import Proxy
    from bustedwall.relay.tcpflow import TcpFlow
    from bustedwall.relay.wall import Wall


def document(wall: Wall, head: dict[str, Any]) -> Iterator[str]:
    """Yield a JSON document in pieces, a flow at a time: there may be ten thousand, and the others must not wait."""
    yield json.dumps(head)[:-1] + ', "proxies": ['
    for number, proxy in enumerate((*wall.proxies, *wall.leaving)):
        yield ("," if number else "") + json.dumps(_proxy(proxy))[:-1] + ', "flows": ['
        armed: Counter[str] = Counter(rule for rule, _ in proxy.table.armed)
        first = True
        for flow in tuple(proxy.flows):  # others come and go before we have come to the last one
            if flow.closed:  # since we began
                continue
            faults = [] if flow.logic is None else flow.logic.armed
            armed.update({rule for rule, _ in faults})
            yield ("" if first else ",") + json.dumps(_flow(flow, faults))
            first = False
        rules = [{"rule": rule.name, "armed": armed[rule.name]} for rule in proxy.rules]
        yield f'], "rules": {json.dumps(rules)}}}'
    yield "]}\n"


def _proxy(proxy: Proxy) -> dict[str, Any]:
    return {
        "proxy": proxy.proxy_name,
        "listen": str(proxy.setup.listen),
        "address": str(proxy.address) if proxy.has_door else None,
        "upstream": str(proxy.setup.upstream),
        "door": proxy.table.door.mode.value if proxy.has_door else "shut",
        "cleared": proxy.rules != proxy.setup.rules,
        "admitted": proxy.table.admitted,
        "open": len(proxy.flows),
    }


def _flow(flow: TcpFlow, faults: list[tuple[str, str]]) -> dict[str, Any]:
    held = 0 if flow.logic is None else flow.logic.held
    legs = [leg for leg in (flow.client, flow.server) if leg is not None]
    return {
        "flow": flow.number,
        "client": _far_end(flow.client) or flow.address,
        "age": round(flow.poller.clock() - flow.began, 3),
        "state": "open" if flow.opened else "dialling" if flow.dialling is not None else "accepted",
        "legs": {leg.name.value: _leg(leg) for leg in legs},
        "from_client": flow.client.moved,
        "from_server": 0 if flow.server is None else flow.server.moved,
        "held": held + sum(map(waiting, legs)),
        "faults": [f"{rule}: {fault}" for rule, fault in faults],
    }


def _leg(leg: TcpLeg) -> str:
    """Return how far a leg has come, in the words of docs/architecture.md."""
    if leg.dead or leg.gone:
        return "ended"
    return {(True, True): "done", (True, False): "peer-done", (False, True): "we-done"}.get((leg.eof, leg.shut), "open")


def _far_end(leg: TcpLeg) -> str:
    """Return the address at the other end, or nothing where the connection has gone."""
    try:
        return str(Address(*leg.sock.getpeername()[:2]))
    except OSError:
        return ""
