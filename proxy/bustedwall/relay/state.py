"""What proxies and flows are doing, as plain data: for who looks, never for who decides."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bustedwall.policy.address import Address
from bustedwall.relay.census import waiting

if TYPE_CHECKING:
    from bustedwall.policy.setup import ProxySetup
    from bustedwall.relay.leg import TcpLeg
    from bustedwall.relay.service import Proxy
    from bustedwall.relay.tcpflow import TcpFlow
    from bustedwall.relay.wall import Wall

_DESCRIBED: dict[str, Any] = {"use_attribute_docstrings": True}


@dataclass(frozen=True, slots=True)
class ProxyState:
    """A proxy as it is now."""

    __pydantic_config__: ClassVar = _DESCRIBED

    proxy: str
    """Its name."""
    listen: str
    """Where it was to listen."""
    address: str | None
    """Where it listens; null: it has no door."""
    upstream: str
    door: str
    """What clients meet: `open`, or what a fault makes of it; `shut`: there is no door."""
    enabled: bool
    """False: somebody has shut the door."""
    cleared: bool
    """True: its rules were taken away, and have not come back."""
    admitted: int
    """How many flows there have been; the number of the newest."""
    open: int
    """How many there are."""


@dataclass(frozen=True, slots=True)
class FlowState:
    """A flow as it is now."""

    __pydantic_config__: ClassVar = _DESCRIBED

    flow: int
    """Its number within its proxy."""
    client: str
    """Who has connected, with the port where that is known."""
    age: float
    """Seconds since then."""
    state: str
    """`accepted`, `dialling` or `open`."""
    legs: dict[str, str]
    """By leg, how far it has come: `open`, `peer-done`, `we-done`, `done` or `ended`."""
    from_client: int
    """Bytes from the client that the kernel has taken for the server."""
    from_server: int
    """Bytes from the server that the kernel has taken for the client."""
    held: int
    """Bytes that wait in this process."""
    faults: tuple[str, ...]
    """What is in force on it, each as `POLICY/RULE: FAULT`."""


def document(wall: Wall, head: dict[str, Any]) -> Iterator[str]:
    """Yield a JSON document in pieces, a flow at a time: there may be ten thousand, and the others must not wait."""
    yield json.dumps(head)[:-1] + ', "proxies": ['
    for number, proxy in enumerate((*wall.proxies, *wall.leaving)):
        yield ("," if number else "") + json.dumps(asdict(proxy_state(proxy)))[:-1] + ', "flows": ['
        armed: Counter[str] = Counter(rule for rule, _ in proxy.table.armed)
        first = True
        for flow in tuple(proxy.flows):  # others come and go before we have come to the last one
            if flow.closed:  # since we began
                continue
            armed.update({rule for rule, _ in armed_on(flow)})
            yield ("" if first else ",") + json.dumps(asdict(flow_state(flow)))
            first = False
        rules = [{"rule": rule.name, "armed": armed[rule.name]} for rule in proxy.rules]
        yield f'], "rules": {json.dumps(rules)}}}'
    yield "]}\n"


def proxy_state(proxy: Proxy) -> ProxyState:
    """Return how a proxy is."""
    return ProxyState(
        proxy.proxy_name,
        str(proxy.setup.listen),
        str(proxy.address) if proxy.has_door else None,
        str(proxy.setup.upstream),
        proxy.table.door.mode.value if proxy.has_door else "shut",
        enabled=proxy.has_door,
        cleared=proxy.cleared,
        admitted=proxy.table.admitted,
        open=len(proxy.flows),
    )


def disabled_state(wall: Wall, setup: ProxySetup) -> ProxyState:
    """Return how a proxy is whose door somebody has shut."""
    left = sum(len(proxy.flows) for proxy in wall.leaving if proxy.proxy_name == setup.name)
    admitted = wall.admitted(setup.name)
    return ProxyState(
        setup.name,
        str(setup.listen),
        None,
        str(setup.upstream),
        "shut",
        enabled=False,
        cleared=False,
        admitted=admitted,
        open=left,
    )


def flow_state(flow: TcpFlow) -> FlowState:
    """Return how a flow is; it must not be closed."""
    held = 0 if flow.logic is None else flow.logic.held
    legs = [leg for leg in (flow.client, flow.server) if leg is not None]
    return FlowState(
        flow.number,
        _far_end(flow.client) or flow.address,
        round(flow.poller.clock() - flow.began, 3),
        "open" if flow.opened else "dialling" if flow.dialling is not None else "accepted",
        {leg.name.value: _leg(leg) for leg in legs},
        flow.client.moved,
        0 if flow.server is None else flow.server.moved,
        held + sum(map(waiting, legs)),
        tuple(f"{rule}: {fault}" for rule, fault in armed_on(flow)),
    )


def armed_on(flow: TcpFlow) -> list[tuple[str, str]]:
    """Return which faults are in force on a flow, each with its rule."""
    return [] if flow.logic is None else flow.logic.armed


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
