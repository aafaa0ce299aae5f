"""A run as it is changed while it runs: every change is one of the wall's, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from bustedwall.control.problem import RefusedError
from bustedwall.control.sent import MOST_POLICIES, Values
from bustedwall.policy.applied import Applied
from bustedwall.policy.export import is_of_library
from bustedwall.policy.load import Loader
from bustedwall.policy.problem import PolicyError
from bustedwall.policy.sense import nonsense
from bustedwall.policy.setup import Config, ProxySetup
from bustedwall.policy.shelf import Shelf
from bustedwall.policy.source import Document
from bustedwall.policy.template import Template
from bustedwall.policy.use import read_entry
from bustedwall.policy.words import suggestion
from bustedwall.record.recent import Recent
from bustedwall.record.stream import Entry
from bustedwall.relay.service import Proxy
from bustedwall.relay.wall import CannotStartError, Changes, Wall
from bustedwall.terms.facts import ControlChanged, Fact, FlowClosed

Record = Callable[[str | None, Fact], None]

_AGAIN = 1.0
"""Seconds after which it is tried again to take a policy away."""

log = Logger()

MOST_OWN = 1000
"""Policies that may be defined by the API."""


@dataclass(frozen=True, slots=True)
class _Lease:
    """A policy that goes by itself."""

    policy: Applied
    who: str
    call: IDelayedCall | None = None
    """When it goes; None: with its flow."""


class Live:
    """Changes the proxies, and remembers what is to go by itself."""

    def __init__(
        self,
        wall: Wall,
        recent: Recent,
        *,
        config: Callable[[], Config],
        running: Callable[[], bool],
        record: Record,
        drain: float,
    ) -> None:
        """`config` returns the one that was read last, `running` whether anything may be changed yet and still."""
        self.wall = wall
        self.drain = drain
        self.own: dict[str, Template] = {}
        """By name, the policies that were defined by the API."""
        self._recent = recent
        self._config = config
        self._running = running
        self._record = record
        self._shelf = Shelf(None)
        self._leases: dict[tuple[str, str], _Lease] = {}
        """By proxy and the policy's key."""

    # ---- looking

    @property
    def config(self) -> Config:
        """Return the config that was read last."""
        return self._config()

    def setup(self, name: str) -> ProxySetup:
        """Return what a proxy is to be; raises RefusedError."""
        for setup in self.wall.setups:
            if setup.name == name:
                return setup
        hint = suggestion(name, [setup.name for setup in self.wall.setups])
        raise RefusedError(HTTPStatus.NOT_FOUND, f"there is no proxy '{name[:100]}'{hint and f'; {hint}'}")

    def proxy(self, name: str) -> Proxy | None:
        """Return a proxy that has a door."""
        return next((proxy for proxy in self.wall.proxies if proxy.proxy_name == name), None)

    def known(self, name: str) -> None:
        """Raise RefusedError if there is no proxy of this name, not even one that drains."""
        if not any(proxy.proxy_name == name for proxy in self.wall.leaving):
            self.setup(name)

    def own_policies(self) -> dict[str, Template]:
        """Return those that are not of the library, by name."""
        used = {policy.name: policy.template for setup in self.wall.setups for policy in setup.policies}
        strange = {name: template for name, template in used.items() if not is_of_library(template)}
        return strange | dict(self.config.defined) | self.own

    def ends_in(self, name: str, policy: Applied) -> float | None:
        """Return after how many seconds a policy goes by itself; None: not by time."""
        lease = self._leases.get((name, policy.key))
        if lease is None or lease.call is None or lease.policy is not policy:
            return None
        return round(max(0.0, lease.call.getTime() - self.wall.reactor.seconds()), 3)

    def lasting(self, setup: ProxySetup) -> ProxySetup:
        """Return a proxy without those policies that go by themselves."""
        gone = [lease.policy for lease in self._leases.values()]
        kept = tuple(policy for policy in setup.policies if not any(policy is one for one in gone))
        return setup if len(kept) == len(setup.policies) else setup.with_policies(kept)

    # ---- changing

    def change(self, setups: Sequence[ProxySetup], drain: float | None = None) -> Changes:
        """Have these proxies from now on; raises RefusedError, and then nothing has changed."""
        self.check_running()
        try:
            changes = self.wall.change(setups, self.drain if drain is None else drain)
        except CannotStartError as error:
            raise RefusedError(HTTPStatus.CONFLICT, str(error)) from None
        self._forget_leases()
        return changes

    def put(self, setup: ProxySetup) -> Changes:
        """Have this proxy in the place of the one of its name, or beside the others."""
        setups = self.wall.setups
        if any(one.name == setup.name for one in setups):
            return self.change([setup if one.name == setup.name else one for one in setups])
        return self.change([*setups, setup])

    def check_running(self) -> None:
        """Raise RefusedError if nothing may be changed."""
        if not self._running():
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "the run is not up yet, or about to end")

    def shelf(self) -> Shelf:
        """Return where policies are found by name."""
        self._shelf.hold(self.own_policies())
        return self._shelf

    def policies(self, uses: Sequence[object], among: Sequence[Applied] = ()) -> tuple[Applied, ...]:
        """Return what these uses mean beside those of a proxy that stay; raises PolicyError."""
        document = Document.of_data({"policies": list(uses)}, "the body")
        loader = Loader(self.shelf(), self.config.terms)
        paths = (("policies", i) for i in range(len(uses)))
        found = loader.policies([partial(read_entry, document, path) for path in paths], among)
        if loader.problems:
            raise PolicyError(loader.problems)
        return found.applied[len(among) :]

    def apply(self, name: str, policy: str, values: Values, *, span: float | None, flow: int | None, who: str) -> None:
        """Have a proxy use a policy, in the place of the same with other values; for so long, or on one flow."""
        setup = self.setup(name)
        key = policy if flow is None else f"{policy}@{flow}"
        others = [one for one in setup.policies if one.key != key]
        if len(others) >= MOST_POLICIES:
            raise RefusedError(HTTPStatus.CONFLICT, f"a proxy has at most {MOST_POLICIES} policies")
        (applied,) = self.policies([{policy: values} if values else policy], others)
        if flow is not None:
            applied = self._for_flow(setup, applied, flow)
        keys = [one.key for one in setup.policies]
        at = keys.index(key) if key in keys else len(others)
        self.put(setup.with_policies((*others[:at], applied, *others[at:])))
        if span is not None or flow is not None:
            call = None if span is None else self.wall.reactor.callLater(span, self._end, name, key)
            self._leases[name, key] = _Lease(applied, who, call)
            self._recent.watch(self._see)

    def _for_flow(self, setup: ProxySetup, policy: Applied, flow: int) -> Applied:
        proxy = self.proxy(setup.name)
        if proxy is None or not any(one.number == flow for one in proxy.flows):
            raise RefusedError(HTTPStatus.NOT_FOUND, f"there is no open flow {flow} of '{setup.name}'")
        narrowed = policy.for_flow(flow)
        for rule in narrowed.rules:
            for _, what, hint in nonsense(rule):
                raise RefusedError(HTTPStatus.BAD_REQUEST, f"{rule.name}: {what}{hint and f'; {hint}'}")
        return narrowed

    def remove(self, name: str, policy: str, flow: int | None) -> None:
        """Take a policy away from a proxy; raises RefusedError if it has none of this name."""
        setup = self.setup(name)
        key = policy if flow is None else f"{policy}@{flow}"
        kept = tuple(one for one in setup.policies if one.key != key)
        if len(kept) == len(setup.policies):
            hint = suggestion(key, [one.key for one in setup.policies])
            what = f"'{name}' has no policy '{key[:100]}'{hint and f'; {hint}'}"
            raise RefusedError(HTTPStatus.NOT_FOUND, what)
        self.put(setup.with_policies(kept))

    def disable(self, name: str, drain: float | None) -> None:
        """Shut a proxy's door; its flows drain."""
        setup = self.setup(name)
        self.change([replace(one, enabled=False) if one is setup else one for one in self.wall.setups], drain)

    def tell(self, change: str, what: str, who: str, proxy: str | None = None) -> None:
        """Record that somebody has changed something."""
        self._record(proxy, ControlChanged(change, what, who))

    # ---- what goes by itself

    def close(self) -> None:
        """Have nothing go any more: the run ends."""
        for lease in self._leases.values():
            _cancel(lease)
        self._leases.clear()
        self._recent.unwatch(self._see)

    def forget(self) -> None:
        """Forget about what has been taken away by others, as by a reload."""
        self._forget_leases()

    def _forget_leases(self) -> None:
        there = {(setup.name, policy.key): policy for setup in self.wall.setups for policy in setup.policies}
        for where, lease in list(self._leases.items()):
            if there.get(where) is not lease.policy:
                _cancel(self._leases.pop(where))
        if not any(lease.policy.flow for lease in self._leases.values()):
            self._recent.unwatch(self._see)

    def _see(self, entry: Entry) -> None:
        if isinstance(entry.fact, FlowClosed) and entry.proxy is not None:
            for (name, key), lease in self._leases.items():
                if name == entry.proxy and lease.policy.flow == entry.flow:
                    # Not now: this is the middle of what closes it.
                    self.wall.reactor.callLater(0, self._end, name, key)

    def _end(self, name: str, key: str) -> None:
        lease = self._leases.pop((name, key), None)
        if lease is None or not self._running():
            return
        _cancel(lease)
        setup = next((one for one in self.wall.setups if one.name == name), None)
        if setup is None or not any(policy is lease.policy for policy in setup.policies):
            return  # somebody else has taken it away
        kept = tuple(policy for policy in setup.policies if policy is not lease.policy)
        try:
            self.put(setup.with_policies(kept))
        except RefusedError as refused:  # as when the address is gone from which the upstream is connected
            log.warn("{key} of proxy {name} cannot be taken away yet: {why}", key=key, name=name, why=refused.detail)
            again = self.wall.reactor.callLater(_AGAIN, self._end, name, key)
            self._leases[name, key] = replace(lease, call=again)
            return
        self.tell("policy_ended", key, lease.who, name)


def _cancel(lease: _Lease) -> None:
    if lease.call is not None and lease.call.active():
        lease.call.cancel()
