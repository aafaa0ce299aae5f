"""All proxies of a config, as one service."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults

from bustedwall.policy.load import ProxySetup
from bustedwall.relay.poller import Reactor
from bustedwall.relay.service import DataPlane, Proxy, Record
from bustedwall.terms.dice import Dice


class CannotListenError(Exception):
    """A proxy's address cannot be had; the cause is the OSError."""

    def __init__(self, setup: ProxySetup, cause: OSError) -> None:
        super().__init__(f"proxy '{setup.name}' cannot listen on {setup.listen}: {cause.strerror or cause}")


class Wall(Service):
    """Starts every proxy, or none."""

    def __init__(
        self, reactor: Reactor, setups: Sequence[ProxySetup], record: Record, *, seed: int, verbose: bool
    ) -> None:
        self.reactor = reactor
        self._setups = tuple(setups)
        self._plane = DataPlane(reactor)
        dice = Dice.seeded(seed)
        self.proxies = tuple(
            Proxy(self._plane, s, dice=dice.at(s.name), record=record, verbose=verbose) for s in self._setups
        )

    def startService(self) -> None:  # noqa: N802 (Twisted's name)
        """Open all doors; raises CannotListenError, with those shut again that were open."""
        for setup, proxy in zip(self._setups, self.proxies, strict=True):
            try:
                proxy.startService()
            except OSError as error:
                self.stopService()
                raise CannotListenError(setup, error) from error
        super().startService()

    def drain(self, seconds: float) -> Deferred[None]:
        """Shut all doors and wait for the open flows, so long at most; then end the rest."""
        return gatherResults([proxy.drain(seconds) for proxy in self.proxies]).addCallback(lambda _: None)

    def end_flows(self) -> None:
        """End all flows now, both legs by RST."""
        for proxy in self.proxies:
            proxy.end_flows()

    def stopService(self) -> None:  # noqa: N802 (Twisted's name)
        """Shut all doors, end all flows, give everything back."""
        super().stopService()
        for proxy in self.proxies:
            proxy.stopService()
        self._plane.close()
