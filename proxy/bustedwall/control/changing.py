"""What can be changed: whole or not at all, and each change is a fact with who asked."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import TypeVar

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.threads import deferToThread

from bustedwall.control.endpoint import NOTHING, Answer, Call, Endpoint
from bustedwall.control.live import MOST_OWN, Live
from bustedwall.control.problem import Mistake, RefusedError, mistakes, of_policy
from bustedwall.control.reading import told
from bustedwall.control.sent import (
    MOST_PROXIES,
    DrainAsked,
    FlowAsked,
    KillSent,
    PoliciesSent,
    ProxySent,
    TextSent,
    UseSent,
)
from bustedwall.control.spans import seconds
from bustedwall.control.told import Checked, Cleared, KillTold, ProxyTold, SignalTold
from bustedwall.policy import template
from bustedwall.policy.kind import Kind, kind_of
from bustedwall.policy.load import config_of, proxy_of
from bustedwall.policy.parse import parse
from bustedwall.policy.problem import PolicyError
from bustedwall.policy.source import Document
from bustedwall.policy.upstreams import permits
from bustedwall.policy.words import suggestion
from bustedwall.relay import service
from bustedwall.relay.tcpflow import TcpFlow
from bustedwall.terms.endings import How
from bustedwall.terms.units import written_duration

Found = TypeVar("Found")

_MISSING = (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE)
_REFUSED = (*_MISSING, HTTPStatus.CONFLICT)
_ENDING = (HTTPStatus.SERVICE_UNAVAILABLE,)

_AT_ONCE = 50
"""Flows that are ended before others have their turn: some milliseconds."""

_QUEUE = 8
"""Texts that wait to be read; each takes up to a second of the processor."""


class Changing:
    """Changes what runs. `panic` and `signal` are what signals and the command file call, too."""

    def __init__(self, live: Live, *, panic: Callable[[str], service.Cleared], signal: Callable[[str], int]) -> None:
        self._live = live
        self._panic = panic
        self._signal = signal
        self._reading = DeferredSemaphore(1)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return what can be asked."""
        proxy, use = "/api/v1/proxies/{name}", "/api/v1/proxies/{name}/policies/{policy}"
        none = HTTPStatus.NO_CONTENT
        return (
            Endpoint("PUT", proxy, self.put_proxy, ProxyTold, ProxySent, refusals=_REFUSED),
            Endpoint("DELETE", proxy, self.delete_proxy, query=DrainAsked, status=none, refusals=_REFUSED),
            Endpoint("POST", f"{proxy}/enable", self.enable_proxy, ProxyTold, refusals=_REFUSED),
            Endpoint("POST", f"{proxy}/disable", self.disable_proxy, ProxyTold, query=DrainAsked, refusals=_REFUSED),
            Endpoint("POST", f"{proxy}/clear", self.clear_proxy, Cleared, refusals=_MISSING),
            Endpoint("PUT", f"{proxy}/policies", self.put_policies, ProxyTold, PoliciesSent, refusals=_REFUSED),
            Endpoint("PUT", use, self.put_policy, ProxyTold, UseSent, refusals=_REFUSED),
            Endpoint("DELETE", use, self.delete_policy, query=FlowAsked, status=none, refusals=_MISSING),
            Endpoint("POST", "/api/v1/validate", self.validate, Checked, TextSent, refusals=_ENDING),
            Endpoint("PUT", "/api/v1/policies/{policy}", self.define, status=none, sends=TextSent, refusals=_REFUSED),
            Endpoint("DELETE", "/api/v1/policies/{policy}", self.undefine, status=none, refusals=_MISSING),
            Endpoint("POST", "/api/v1/signals/{signal}", self.fire_signal, SignalTold, refusals=_ENDING),
            Endpoint("POST", "/api/v1/panic", self.panic, Cleared, refusals=_ENDING),
            Endpoint("POST", "/api/v1/flows/kill", self.kill_flows, KillTold, KillSent, refusals=_MISSING),
        )

    # ---- proxies

    def put_proxy(self, call: Call) -> Answer:
        """Have a proxy, new or as it is from now on; its open flows go on."""
        name, sent = call.names["name"], call.sent(ProxySent)
        there = any(one.name == name for one in self._live.wall.setups)
        if not there and len(self._live.wall.setups) >= MOST_PROXIES:
            raise RefusedError(HTTPStatus.CONFLICT, f"there are {MOST_PROXIES} proxies already")
        data = {"name": name} | sent.model_dump(exclude_unset=True, exclude_none=True)
        setup = proxy_of(Document.of_data(data, "the body"), self._live.config, self._live.shelf())
        if not permits(self._live.config.upstreams, setup.upstream):
            what = f"no proxy may lead to {setup.upstream}: it is not in the config's 'control.upstreams'"
            raise RefusedError(HTTPStatus.FORBIDDEN, what)
        self._live.put(setup)
        self._live.tell("put_proxy", f"{setup.listen} to {setup.upstream}", call.who, name)
        return Answer(told(self._live, setup))

    def delete_proxy(self, call: Call) -> Answer:
        """Have a proxy no more; its open flows drain."""
        name, drain = call.names["name"], seconds(call.asked(DrainAsked).drain, "drain", least=0.0)
        setup = self._live.setup(name)
        self._live.change([one for one in self._live.wall.setups if one is not setup], drain)
        self._live.tell("delete_proxy", str(setup.listen), call.who, name)
        return NOTHING

    def enable_proxy(self, call: Call) -> Answer:
        """Open a proxy's door, where it was before."""
        setup = replace(self._live.setup(call.names["name"]), enabled=True)
        self._live.put(setup)
        self._live.tell("enable_proxy", str(setup.listen), call.who, setup.name)
        return Answer(told(self._live, setup))

    def disable_proxy(self, call: Call) -> Answer:
        """Shut a proxy's door: who comes is refused, and its open flows drain."""
        name = call.names["name"]
        self._live.disable(name, seconds(call.asked(DrainAsked).drain, "drain", least=0.0))
        setup = self._live.setup(name)
        self._live.tell("disable_proxy", str(setup.listen), call.who, name)
        return Answer(told(self._live, setup))

    def clear_proxy(self, call: Call) -> Answer:
        """Take all policies of a proxy away; its flows go on, healed."""
        name = call.names["name"]
        self._live.setup(name)
        self._live.check_running()
        cleared = self._live.wall.clear(name)
        self._live.forget()
        self._live.tell("clear_proxy", f"{cleared.rules} rules", call.who, name)
        return Answer(_cleared(cleared))

    # ---- policies

    def put_policies(self, call: Call) -> Answer:
        """Have a proxy use these policies and no others; rules that are the same run on."""
        name = call.names["name"]
        setup = self._live.setup(name)
        setup = setup.with_policies(self._live.policies(call.sent(PoliciesSent).policies))
        self._live.put(setup)
        self._live.tell("put_policies", ", ".join(policy.key for policy in setup.policies), call.who, name)
        return Answer(told(self._live, setup))

    def put_policy(self, call: Call) -> Answer:
        """Have a proxy use a policy, with these values; for a while, or on one flow, if that is said."""
        name, policy, sent = call.names["name"], call.names["policy"], call.sent(UseSent)
        span = seconds(sent.span, "for", least=0.001)
        self._live.apply(name, policy, sent.values, span=span, flow=sent.flow, who=call.who)
        values = ", ".join(f"{key}={value}" for key, value in sent.values.items())
        what = f"{policy}{f' ({values[:200]})' if values else ''}"
        what += f" on flow {sent.flow}" if sent.flow else ""
        what += f" for {written_duration(span)}" if span else ""
        self._live.tell("put_policy", what, call.who, name)
        return Answer(told(self._live, self._live.setup(name)))

    def delete_policy(self, call: Call) -> Answer:
        """Take a policy away from a proxy; what it did is healed."""
        name, policy, flow = call.names["name"], call.names["policy"], call.asked(FlowAsked).flow
        self._live.remove(name, policy, flow)
        self._live.tell("delete_policy", policy if flow is None else f"{policy} on flow {flow}", call.who, name)
        return NOTHING

    def validate(self, call: Call) -> Deferred[Answer]:
        """Tell all that is wrong with a text, a policy or a config, with lines and columns; nothing is changed."""

        def tell(found: list[Mistake]) -> Answer:
            return Answer(Checked(not found, tuple(found)))

        return self._read(_mistakes, call.sent(TextSent).text, tell)

    def define(self, call: Call) -> Deferred[Answer]:
        """Have a policy be known by its name; proxies that use one of this name keep theirs until it is applied."""
        name = call.names["policy"]

        def keep(found: template.Template | PolicyError) -> Answer:
            if isinstance(found, PolicyError):
                raise of_policy(found, text=True)
            self._live.check_running()
            if found.file.name != name:
                what = f"the policy is called '{found.file.name}', and not '{name}'"
                raise RefusedError(HTTPStatus.BAD_REQUEST, what)
            if name not in self._live.own and len(self._live.own) >= MOST_OWN:
                raise RefusedError(HTTPStatus.CONFLICT, f"{MOST_OWN} policies are defined already")
            self._live.own[name] = found
            self._live.tell("define", name, call.who)
            return NOTHING

        return self._read(_policy, call.sent(TextSent).text, keep)

    def undefine(self, call: Call) -> Answer:
        """Know a policy that was defined here no more; proxies that use it keep it."""
        name = call.names["policy"]
        self._live.check_running()
        if self._live.own.pop(name, None) is None:
            hint = suggestion(name, list(self._live.own))
            what = f"no policy '{name[:100]}' was defined here{hint and f'; {hint}'}"
            raise RefusedError(HTTPStatus.NOT_FOUND, what)
        self._live.tell("undefine", name, call.who)
        return NOTHING

    def _read(self, read: Callable[[str], Found], text: str, use: Callable[[Found], Answer]) -> Deferred[Answer]:
        """Read a text beside the traffic, one after the other."""
        if len(self._reading.waiting) >= _QUEUE:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "too many texts wait to be read; try again")
        found: Deferred[Found] = self._reading.run(deferToThread, read, text)
        return found.addCallback(use)

    # ---- all

    def fire_signal(self, call: Call) -> Answer:
        """Fire a signal of the policies, as in `when: {signal: NAME}`."""
        self._live.check_running()
        name = call.names["signal"]
        heard = self._signal(name)
        self._live.tell("fire_signal", name, call.who)
        return Answer(SignalTold(name, heard))

    def panic(self, call: Call) -> Answer:
        """Take all policies away, at once and everywhere; what they did is healed, and flows go on."""
        cleared = self._panic(call.who)
        self._live.forget()
        return Answer(_cleared(cleared))

    def kill_flows(self, call: Call) -> Deferred[Answer]:
        """End flows, all or a selection, both legs in one way."""
        sent = call.sent(KillSent)
        self._live.check_running()
        if sent.flows is not None and sent.proxy is None:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "numbers of flows are those of a proxy: say which, as 'proxy'")
        if sent.proxy is not None:
            self._live.known(sent.proxy)
        done: Deferred[Answer] = Deferred()

        def tell(killed: int) -> None:
            self._live.tell("kill_flows", f"{sent.how} {killed} flows", call.who, sent.proxy)
            done.callback(Answer(KillTold(killed)))

        self._kill(iter(list(self._chosen(sent))), How(sent.how), f"control, {call.who}", 0, tell)
        return done

    def _chosen(self, sent: KillSent) -> Iterator[TcpFlow]:
        numbers = None if sent.flows is None else set(sent.flows)
        within = _network(sent.client)
        for proxy in (*self._live.wall.proxies, *self._live.wall.leaving):
            if sent.proxy in (None, proxy.proxy_name):
                for flow in proxy.flows:
                    if numbers is not None and flow.number not in numbers:
                        continue
                    if within is None or ipaddress.ip_address(flow.address.partition("%")[0]) in within:
                        yield flow

    def _kill(self, chosen: Iterator[TcpFlow], how: How, cause: str, killed: int, tell: Callable[[int], None]) -> None:
        for count, flow in enumerate(chosen, 1):
            if not flow.closed:  # since they were chosen
                flow.poller.guard(flow, partial(flow.kill, how, cause))
                killed += 1
            if count == _AT_ONCE:
                self._live.wall.reactor.callLater(0, self._kill, chosen, how, cause, killed, tell)
                return
        tell(killed)


def _cleared(cleared: service.Cleared) -> Cleared:
    return Cleared(cleared.rules, cleared.faults, cleared.flows)


def _network(text: str | None) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    if text is None:
        return None
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        what = "expected an address or a network, as in 10.0.0.0/8"
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"client: {what}", [Mistake("client", what)]) from None


def _policy(text: str) -> template.Template | PolicyError:
    try:
        return template.read(parse(text, "text"))
    except PolicyError as error:
        return error


def _mistakes(text: str) -> list[Mistake]:
    try:
        document = parse(text, "text")
        if kind_of(document) is Kind.CONFIG:
            config_of(document, None)
        else:
            template.read(document)
    except PolicyError as error:
        return mistakes(error, text=True)
    return []
