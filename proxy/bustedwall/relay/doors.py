"""Which proxy listens where, so that none dials itself: each of its flows would open the next one, without end."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from bustedwall.kernel.sockets import is_here
from bustedwall.terms.proxy_header import Ip

_REMEMBERED = 256
"""Addresses of which it is remembered whether they are ours."""


class Doors:
    """The doors of all proxies of a process, by name of the proxy."""

    def __init__(self) -> None:
        self._by_port: dict[int, dict[str, Ip]] = {}
        self._leads_to: dict[str, str] = {}
        """By proxy: at whose door its upstream is. There is no circle in it."""
        self._ours: dict[Ip, bool] = {}
        """What was found out about addresses; one call each, and many proxies listen on the port of their upstream."""

    def open(self, proxy: str, where: tuple[Any, ...]) -> None:
        """Note that a proxy listens there, by what its socket says."""
        self._ours.clear()
        self._by_port.setdefault(where[1], {})[proxy] = _ip(where[0])

    def shut(self, proxy: str) -> None:
        """Note that a proxy listens no more."""
        for port, doors in tuple(self._by_port.items()):
            if doors.pop(proxy, None) is not None and not doors:
                del self._by_port[port]
        self._leads_to = {one: other for one, other in self._leads_to.items() if proxy not in (one, other)}

    def leads_back(self, proxy: str, where: tuple[Any, ...]) -> bool:
        """Tell whether a connection of this proxy to there comes back to it, perhaps through others of this process."""
        met = None
        if (doors := self._by_port.get(where[1])) is not None:
            target = _ip(where[0])
            met = next((name for name, door in doors.items() if self._meets(door, target)), None)
        at = met
        while at is not None:
            if at == proxy:
                return True
            at = self._leads_to.get(at)
        if met is not None:
            self._leads_to[proxy] = met
        elif self._leads_to:
            self._leads_to.pop(proxy, None)
        return False

    def _meets(self, door: Ip, target: Ip) -> bool:
        """Tell whether who connects to the target comes to this door, the port being the same."""
        if target.is_unspecified:  # connect(2) takes it for this machine
            target = ip_address("127.0.0.1" if isinstance(target, IPv4Address) else "::1")
        if not door.is_unspecified:
            return door == target
        if target not in self._ours:
            if len(self._ours) >= _REMEMBERED:
                self._ours.clear()
            try:
                self._ours[target] = is_here(str(target))
            except OSError:  # no descriptor is left, so the dial will have none, either
                return False
        return self._ours[target] and (isinstance(door, IPv6Address) or isinstance(target, IPv4Address))


def _ip(host: str) -> Ip:
    ip = ip_address(host.partition("%")[0])
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip
