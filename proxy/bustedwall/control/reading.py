"""What is asked of proxies, flows and policies."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from bustedwall.control.endpoint import Answer, Call, Endpoint
from bustedwall.control.live import Live
from bustedwall.control.problem import RefusedError
from bustedwall.control.sent import FlowsAsked
from bustedwall.control.told import (
    Evidence,
    FlowDetail,
    FlowsTold,
    FlowTold,
    PoliciesTold,
    PolicyDetail,
    PolicyListed,
    PolicyState,
    ProxiesTold,
    ProxyTold,
)
from bustedwall.kernel.evidence import snapshot
from bustedwall.policy import library
from bustedwall.policy.export import export
from bustedwall.policy.setup import ProxySetup
from bustedwall.policy.shelf import read_policy
from bustedwall.policy.words import suggestion
from bustedwall.record.line import line
from bustedwall.record.recent import ROOM, Recent
from bustedwall.relay.service import Proxy
from bustedwall.relay.state import disabled_state, flow_state, proxy_state
from bustedwall.relay.tcpflow import TcpFlow

_MISSING = (HTTPStatus.NOT_FOUND,)

_MOST_FACTS = 1000
"""Of one flow that are told."""


class Reading:
    """Tells what there is."""

    def __init__(self, live: Live, recent: Recent) -> None:
        self._live = live
        self._recent = recent

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return what can be asked."""
        return (
            Endpoint("GET", "/api/v1/proxies", self.list_proxies, ProxiesTold),
            Endpoint("GET", "/api/v1/proxies/{name}", self.get_proxy, ProxyTold, refusals=_MISSING),
            Endpoint("GET", "/api/v1/flows", self.list_flows, FlowsTold, query=FlowsAsked, refusals=_MISSING),
            Endpoint("GET", "/api/v1/flows/{name}/{flow}", self.get_flow, FlowDetail, refusals=_MISSING),
            Endpoint("GET", "/api/v1/policies", self.list_policies, PoliciesTold),
            Endpoint("GET", "/api/v1/policies/{policy}", self.get_policy, PolicyDetail, refusals=_MISSING),
            Endpoint("GET", "/api/v1/state", self.export_state, dict[str, Any]),
        )

    def list_proxies(self, call: Call) -> Answer:
        """List all proxies, those without a door too."""
        return Answer(ProxiesTold(tuple(told(self._live, setup) for setup in self._live.wall.setups)))

    def get_proxy(self, call: Call) -> Answer:
        """Tell of one proxy."""
        return Answer(told(self._live, self._live.setup(call.names["name"])))

    def list_flows(self, call: Call) -> Answer:
        """List open flows, a page at a time."""
        asked = call.asked(FlowsAsked)
        proxies = [*self._live.wall.proxies, *self._live.wall.leaving]
        names = list(dict.fromkeys(proxy.proxy_name for proxy in proxies))
        if asked.proxy is not None:
            self._live.known(asked.proxy)
            names = [name for name in names if name == asked.proxy]
        where, _, number = (asked.after or "/0").rpartition("/")
        if where in names:
            names = names[names.index(where) :]
        found: list[FlowTold] = []
        for name in names:
            behind = int(number) if name == where else 0
            later = (flow for flow in _open_flows(proxies, name) if flow.number > behind)
            page = heapq.nsmallest(asked.limit + 1 - len(found), later, key=lambda flow: flow.number)
            found += [FlowTold(name, flow_state(flow)) for flow in page]
            if len(found) > asked.limit:
                break
        more = len(found) > asked.limit
        del found[asked.limit :]
        return Answer(FlowsTold(tuple(found), f"{found[-1].proxy}/{found[-1].state.flow}" if more else None))

    def get_flow(self, call: Call) -> Answer:
        """Tell of one flow: how it is, what the kernel counts, and what has happened to it."""
        name = call.names["name"]
        self._live.known(name)
        number = call.names["flow"]
        nowhere = RefusedError(
            HTTPStatus.NOT_FOUND, f"there is no flow {number[:20]} of '{name}', and no memory of one"
        )
        if not (number.isascii() and number.isdigit() and len(number) <= len(str(1 << 53))):
            raise nowhere
        wanted = int(number)
        proxies = [*self._live.wall.proxies, *self._live.wall.leaving]
        flow = next((flow for flow in _open_flows(proxies, name) if flow.number == wanted), None)
        entries = [entry for _, entry in self._recent.since(0, ROOM) if entry.flow == wanted and entry.proxy == name]
        if flow is None and not entries:
            raise nowhere
        facts = tuple(json.loads(line(entry)) for entry in entries[-_MOST_FACTS:])
        state = None if flow is None else flow_state(flow)
        return Answer(FlowDetail(name, wanted, state, {} if flow is None else _evidence(flow), facts))

    def list_policies(self, call: Call) -> Answer:
        """List the policies that can be applied by name."""
        own, used = self._live.own_policies(), self._used()
        names = sorted({*library.names(), *own})
        return Answer(
            PoliciesTold(
                tuple(PolicyListed(name, "own" if name in own else "library", used.get(name, ())) for name in names)
            )
        )

    def get_policy(self, call: Call) -> Answer:
        """Tell of a policy all that its file does."""
        name, own, names = call.names["policy"], self._live.own_policies(), library.names()
        if name in own:
            document = own[name].document
        elif name in names and (path := library.find(name)) is not None:
            document = read_policy(path).document
        else:
            hint = suggestion(name, sorted({*names, *own}))
            raise RefusedError(HTTPStatus.NOT_FOUND, f"there is no policy '{name[:100]}'{hint and f'; {hint}'}")
        assert isinstance(document.data, dict)
        used = self._used().get(name, ())
        return Answer(PolicyDetail(name, "own" if name in own else "library", used, document.data))

    def _used(self) -> dict[str, tuple[str, ...]]:
        """Return which proxies have a policy, by its name."""
        used: dict[str, tuple[str, ...]] = {}
        for setup in self._live.wall.setups:
            for name in dict.fromkeys(policy.name for policy in setup.policies):
                used[name] = (*used.get(name, ()), setup.name)
        return used

    def export_state(self, call: Call) -> Answer:
        """Tell what is in force as a config that `bustedwall run` accepts."""
        lasting = [self._live.lasting(setup) for setup in self._live.wall.setups]
        return Answer(export(self._live.config, lasting))


def told(live: Live, setup: ProxySetup) -> ProxyTold:
    """Return what is told of a proxy."""
    proxy = live.proxy(setup.name)
    state = disabled_state(live.wall, setup) if proxy is None else proxy_state(proxy)
    policies = tuple(
        PolicyState(
            policy.name,
            dict(policy.given),
            policy.flow,
            live.ends_in(setup.name, policy),
            tuple(rule.name for rule in policy.rules),
        )
        for policy in setup.policies
    )
    return ProxyTold(setup.name, state, policies)


def _open_flows(proxies: list[Proxy], name: str) -> Iterator[TcpFlow]:
    return (flow for proxy in proxies if proxy.proxy_name == name for flow in proxy.flows if not flow.closed)


def _evidence(flow: TcpFlow) -> dict[str, Evidence]:
    counted = {leg.name.value: snapshot(leg.sock) for leg in flow.legs() if not leg.dead}
    return {
        name: Evidence(one.state, one.rto, one.retransmitted, one.acknowledged, one.unsent, one.in_flight)
        for name, one in counted.items()
    }
