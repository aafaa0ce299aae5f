"""All proxies of a config, as one service."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from twisted.application.service import Service
from twisted.internet.defer import Deferred

from bustedwall.capture.tap import Tap
from bustedwall.capture.taps import Taps
from bustedwall.flow.recorded import NOTHING, Recorded
from bustedwall.kernel.passed import PassedSockets
from bustedwall.policy.address import Address, Listen, Passed, one_door
from bustedwall.policy.setup import ProxySetup
from bustedwall.relay.listener import listen
from bustedwall.relay.plane import DataPlane
from bustedwall.relay.poller import Reactor
from bustedwall.relay.service import Cleared, Proxy, Record
from bustedwall.relay.upstream import NoSuchSourceError, check_source
from bustedwall.terms.dice import Dice
from bustedwall.terms.limits import DEFAULT_LIMITS, Limits


class CannotStartError(Exception):
    """A proxy's address cannot be had, the one to listen on or the one to connect from; the cause is the OSError."""

    def __init__(self, setup: ProxySetup, cause: OSError) -> None:
        why = cause.strerror or cause
        if isinstance(cause, NoSuchSourceError):
            what = f"connect from {setup.source}: {why}; `ip address` lists the addresses that this machine has"
        elif isinstance(cause, CannotCaptureError):
            what = f"capture to {setup.capture and setup.capture.folder}: {why}"
        else:
            what = f"listen on {setup.listen}: {why}"
        super().__init__(f"proxy '{setup.name}' cannot {what}")


class CannotCaptureError(OSError):
    """Flows cannot be captured as they are to be."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of the proxies, by name."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    """Those that have another setup, be it rules, listen or upstream."""
    opened: tuple[str, ...]
    """Those with a new door."""


class Wall(Service):
    """Starts every proxy, or none; changes all that a config asks for, or nothing."""

    def __init__(
        self,
        reactor: Reactor,
        setups: Sequence[ProxySetup],
        record: Record,
        *,
        seed: int,
        verbose: bool,
        limits: Limits = DEFAULT_LIMITS,
        passed: PassedSockets | None = None,
        recorded: Mapping[str, Recorded] | None = None,
    ) -> None:
        """Make it; `recorded` are, by proxy, the decisions of a run that is to be played again."""
        self.reactor = reactor
        self.proxies: tuple[Proxy, ...] = ()
        """Those with a door."""
        self.leaving: set[Proxy] = set()
        """Those whose door is shut for good, and which have flows yet."""
        self.setups = tuple(setups)
        """What the proxies are to be, with those that are disabled."""
        self._passed = PassedSockets({}) if passed is None else passed
        self._plane = DataPlane(reactor, limits, record=partial(record, None, None))
        self._taps = Taps(reactor)
        self._dice = Dice.seeded(seed)
        self._recorded = recorded or {}
        self._record = record
        self._verbose = verbose
        self._ports: dict[str, tuple[Listen, Address]] = {}
        """By name of a proxy that is disabled: where it was to listen, and where the kernel let it."""
        self._admitted: dict[str, int] = {}
        """By name of a proxy that was removed: its flows' last number; one that comes back goes on counting."""
        self._ended: Deferred[None] | None = None

    def startService(self) -> None:  # noqa: N802 (Twisted's name)
        """Open all doors; raises CannotStartError, with those shut again that were open."""
        try:
            self.change(self.setups, 0.0)
        except CannotStartError:
            self.stopService()
            raise
        super().startService()

    def change(self, setups: Sequence[ProxySetup], drain: float) -> Changes:
        """Have these proxies from now on; raises CannotStartError, and then nothing has changed.

        A proxy that has them loses none of its flows, whatever has changed in its setup. One that is
        removed or disabled drains, for so many seconds at most.
        """
        asked, setups = tuple(setups), [setup for setup in setups if setup.enabled]
        here = {proxy.proxy_name: proxy for proxy in self.proxies}
        names = [setup.name for setup in setups]
        removed = [proxy for name, proxy in here.items() if name not in names]
        changed = [setup for setup in setups if setup.name in here and not here[setup.name].runs(setup)]
        moved = [setup for setup in changed if setup.listen != here[setup.name].setup.listen]
        added = [setup for setup in setups if setup.name not in here]
        for setup in (*added, *changed):
            _check_source(setup)
        leaving = [*removed, *(here[setup.name] for setup in moved)]
        with ExitStack() as undo:
            # Where a port is known before the door is open, no client comes before the tap.
            ports = {setup.name: here[setup.name].address.port for setup in changed if setup not in moved}
            ports |= {setup.name: _port(setup.listen) for setup in (*added, *moved)}
            taps = self._tap([setup for setup in (*added, *changed) if ports[setup.name]], here, ports, undo)
            staying = [setup.listen for setup in setups if setup not in (*added, *moved)]
            doors = self._open([*added, *moved], leaving, staying)
            undo.callback(_close, doors, leaving)
            late = [setup for setup in (*added, *moved) if not ports[setup.name]]
            ports |= {setup.name: doors[setup.name].getsockname()[1] for setup in late}
            taps |= self._tap(late, here, ports, undo)
            undo.pop_all()
        # From here on nothing is refused any more.
        self.setups = asked
        self._keep_ports(removed)
        for proxy in removed:
            self._see_off(proxy, drain)
        for setup in changed:
            here[setup.name].change(setup, doors.get(setup.name), taps.get(setup.name))
        for setup in added:
            here[setup.name] = self._proxy(setup, doors[setup.name], taps.get(setup.name))
        self.proxies = tuple(here[name] for name in names)
        for setup in added:
            here[setup.name].startService()
        gone = tuple(proxy.proxy_name for proxy in removed)
        return Changes(_names(added), gone, _names(changed), tuple(name for name in names if name in doors))

    def clear(self, only: str | None = None) -> Cleared:
        """Take all policies away, from all proxies and their flows or from one; the flows go on, healed."""
        self.setups = tuple(
            setup if only not in (None, setup.name) else setup.with_policies(()) for setup in self.setups
        )
        return sum((proxy.clear() for proxy in self._all() if only in (None, proxy.proxy_name)), Cleared())

    def signal(self, name: str) -> int:
        """Fire a signal on all proxies; return how many rules have waited for it."""
        return sum(proxy.signal(name) for proxy in self._all())

    def drain(self, seconds: float) -> Deferred[None]:
        """Shut all doors and wait for the open flows, so long at most; then end the rest."""
        self._ended = Deferred()
        self._passed.close()
        proxies, self.proxies = self.proxies, ()
        for proxy in proxies:
            self._see_off(proxy, seconds)
        self._look_whether_ended()
        return self._ended

    def end_flows(self) -> None:
        """End all flows now, both legs by RST."""
        for proxy in self._all():
            proxy.end_flows()

    def stopService(self) -> None:  # noqa: N802 (Twisted's name)
        """Shut all doors, end all flows, give everything back."""
        super().stopService()
        for proxy in self._all():
            proxy.stopService()
        self._plane.close()
        self._taps.close()

    def admitted(self, name: str) -> int:
        """Return how many flows a proxy without a door has had."""
        return self._admitted.get(name, 0)

    def _all(self) -> tuple[Proxy, ...]:
        return (*self.proxies, *self.leaving)

    def _keep_ports(self, removed: Sequence[Proxy]) -> None:
        """Remember where those listen that are disabled, so that their clients find them there again."""
        shut = {setup.name for setup in self.setups if not setup.enabled}
        self._ports = {name: kept for name, kept in self._ports.items() if name in shut}
        for proxy in removed:
            if proxy.proxy_name in shut:
                self._ports[proxy.proxy_name] = (proxy.setup.listen, proxy.address)

    def _open(
        self, setups: Sequence[ProxySetup], leaving: Sequence[Proxy], staying: Iterable[Listen]
    ) -> dict[str, socket.socket]:
        """Return a listening socket for each, or none at all; the doors of those that leave are not in the way."""
        doors: dict[str, socket.socket] = {}
        taken = [*staying]
        for setup in setups:
            was, kept = self._ports.get(setup.name, (None, None))
            where = kept if kept is not None and was == setup.listen else setup.listen
            try:
                doors[setup.name] = self._open_one(where, setup.mss, leaving, taken)
                taken += [where, Address(*doors[setup.name].getsockname()[:2])]
            except OSError as error:
                _close(doors, leaving)
                raise CannotStartError(setup, error) from error
        return doors

    def _open_one(
        self, where: Listen, mss: int | None, leaving: Sequence[Proxy], taken: Sequence[Listen]
    ) -> socket.socket:
        # The kernel does not see it where the port is shared with one that leaves: it would deal clients out at random.
        if any(one_door(where, other) for other in taken):
            raise OSError(errno.EADDRINUSE, "another proxy listens there")
        return self._passed.open(where.name) if isinstance(where, Passed) else _open_beside(where, mss, leaving)

    def _tap(
        self, setups: Sequence[ProxySetup], here: Mapping[str, Proxy], ports: Mapping[str, int], undo: ExitStack
    ) -> dict[str, Tap]:
        """Return the tap of each that is captured, be it the one that it has; raises CannotStartError."""
        taps: dict[str, Tap] = {}
        for setup in setups:
            proxy = here.get(setup.name)
            if setup.capture is None:
                continue
            if proxy is not None and proxy.tap is not None and _captured_alike(proxy.setup, setup):
                taps[setup.name] = proxy.tap
                continue
            both = [ports[setup.name], setup.upstream.port]
            try:
                tap = self._taps.open(setup.name, setup.capture.folder, setup.capture.snaplen, both)
            except OSError as error:
                raise CannotStartError(setup, CannotCaptureError(error.errno, error.strerror)) from error
            undo.callback(tap.leave)
            taps[setup.name] = tap
        return taps

    def _proxy(self, setup: ProxySetup, door: socket.socket, tap: Tap | None) -> Proxy:
        return Proxy(
            self._plane,
            setup,
            dice=self._dice.at(setup.name),
            record=self._record,
            verbose=self._verbose,
            door=door,
            admitted=self._admitted.get(setup.name, 0),
            tap=tap,
            recorded=self._recorded.get(setup.name, NOTHING),
        )

    def _see_off(self, proxy: Proxy, seconds: float) -> None:
        self.leaving.add(proxy)
        self._admitted[proxy.proxy_name] = proxy.table.admitted
        proxy.drain(seconds).addCallback(lambda _: self._gone(proxy))

    def _gone(self, proxy: Proxy) -> None:
        self.leaving.discard(proxy)
        proxy.stopService()
        self._look_whether_ended()

    def _look_whether_ended(self) -> None:
        if self._ended is not None and not self.leaving and not self._ended.called:
            self._ended.callback(None)


def _names(setups: Iterable[ProxySetup]) -> tuple[str, ...]:
    return tuple(setup.name for setup in setups)


def _port(where: Listen) -> int:
    """Return the port of a door that is yet to be opened; 0 where only its socket will know."""
    return where.port if isinstance(where, Address) else 0


def _close(doors: Mapping[str, socket.socket], leaving: Iterable[Proxy]) -> None:
    """Have all be as if these doors had not been opened."""
    for proxy in leaving:
        proxy.share_port(shared=False)
    for door in doors.values():
        door.close()


def _captured_alike(one: ProxySetup, other: ProxySetup) -> bool:
    return (one.capture, one.listen, one.upstream.port) == (other.capture, other.listen, other.upstream.port)


def _check_source(setup: ProxySetup) -> None:
    try:
        check_source(setup.source)
    except NoSuchSourceError as error:
        raise CannotStartError(setup, error) from error


def _open_beside(address: Address, mss: int | None, leaving: Sequence[Proxy]) -> socket.socket:
    try:
        return listen(address, mss=mss)
    except OSError as error:
        if error.errno != errno.EADDRINUSE or not leaving:
            raise
    for proxy in leaving:
        proxy.share_port(shared=True)
    return listen(address, shared=True, mss=mss)
