"""Answer SYNs to a listener as a router that does not pass them on: by ICMP, Destination Unreachable.

RFC 792 and RFC 4443 §3.1: what is told has the packet in it that it is about, as much as is needed to find its
connection. A client that connects gives up at once (tcp_v4_err, tcp_v6_err); RFC 5461 says why this is so only
there. A packet socket sees each SYN before TCP does, whether or not TCP is made to lose it, and a raw socket
sends the answer, from an address of this host. Both need CAP_NET_RAW. Measured on Linux 6.18.
"""

from __future__ import annotations

import errno
import socket
import struct
from ipaddress import IPv6Address, ip_address
from typing import Any

from bustedwall.kernel import bpf
from bustedwall.kernel.answers import Answered, checksum
from bustedwall.kernel.bpf import Do, written
from bustedwall.kernel.packets import arriving_syns, open_packets
from bustedwall.kernel.sockets import Socket, is_here
from bustedwall.terms.unreachable import Unreachable

_QUOTED = 160
"""Bytes: the longest headers of an IPv4 packet are 120; of IPv6 this is 40, a routing header, and TCP's."""

_ROUNDS = 64
"""SYNs in a row before others have their turn."""

_REMEMBERED = 64
"""Addresses of which it is remembered whether they are of this host."""

_IPV4, _IPV6 = 4, 6
_SIDES = {_IPV4: (12, 16, 4), _IPV6: (8, 24, 16)}
"""Where in the IP header sender and target are, and how long an address is (RFC 791 §3.1, RFC 8200 §3)."""

_TYPE = {_IPV4: 3, _IPV6: 1}
_CODES: dict[int, dict[Unreachable, int]] = {
    _IPV4: {Unreachable.NETWORK: 0, Unreachable.HOST: 1, Unreachable.PORT: 3, Unreachable.PROHIBITED: 13},
    _IPV6: {Unreachable.NETWORK: 0, Unreachable.PROHIBITED: 1, Unreachable.HOST: 3, Unreachable.PORT: 4},
}
"""RFC 792 and RFC 1812 §5.2.7.1; RFC 4443 §3.1."""

_HEAD = struct.Struct("!BBHI")
_FAMILIES = {_IPV4: (socket.AF_INET, socket.IPPROTO_ICMP), _IPV6: (socket.AF_INET6, socket.IPPROTO_ICMPV6)}


class Router:
    """Sees each SYN that comes for a listener from now on; raises OSError, as for EPERM."""

    def __init__(self, listener: Socket, why: Unreachable) -> None:
        host, port = listener.getsockname()[:2]
        address = ip_address(host.partition("%")[0])
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address
        self._target = None if address.is_unspecified else address.packed
        """Where SYNs go that are meant; None: to any address of this host."""
        self._here: dict[bytes, bool] = {}
        """Whether an address is one of this host, which may be a router, too, and see the SYNs of others pass."""
        self._why = why
        self._raw: dict[int, Socket] = {}
        self._packets = open_packets(arriving_syns(port, _QUOTED), ring=False)
        try:
            for version in _versions(listener):
                family, protocol = _FAMILIES[version]
                raw = self._raw[version] = Socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
                bpf.attach(raw, written(Do(bpf.RETURN, 0)))  # it only sends
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        """Return a descriptor that is readable when SYNs have come."""
        return self._packets.fileno()

    def answer(self) -> Answered:
        """Answer SYNs that have come."""
        answered = refused = 0
        for _ in range(_ROUNDS):
            try:
                packet, (interface, *_) = self._packets.recvfrom(_QUOTED)
            except BlockingIOError:
                return Answered(answered, refused, more=False)
            except OSError as error:
                if error.errno != errno.ENETDOWN:  # an interface has gone; it is told once
                    raise
                continue
            version = packet[0] >> 4
            source, target, length = _SIDES[version]
            if version not in self._raw:
                continue
            try:
                if not self._meant(version, packet[target : target + length]):
                    continue
                client = socket.inet_ntop(_FAMILIES[version][0], packet[source : source + length])
                self._raw[version].sendto(self._told(version, packet), _where(client, interface))
                answered += 1
            except OSError:
                refused += 1
        return Answered(answered, refused, more=True)

    def close(self) -> None:
        """Answer no more."""
        self._packets.close()
        for raw in self._raw.values():
            raw.close()

    def _meant(self, version: int, target: bytes) -> bool:
        """Tell whether a SYN to this address is for the listener, and not for another, or for another host."""
        if self._target is not None:
            return target == self._target
        if target not in self._here:
            if len(self._here) >= _REMEMBERED:
                self._here.clear()
            host = socket.inet_ntop(_FAMILIES[version][0], target)
            # A link-local address needs its interface to be bound to, and no router passes it on (RFC 4291 §2.5.6).
            self._here[target] = ip_address(host).is_link_local or is_here(host)
        return self._here[target]

    def _told(self, version: int, packet: bytes) -> bytes:
        """Return what is said of a packet; over IPv6 the kernel puts the checksum into it (RFC 3542 §3.1)."""
        kind, code = _TYPE[version], _CODES[version][self._why]
        even = packet[: len(packet) & ~1]
        number = checksum(_HEAD.pack(kind, code, 0, 0) + even) if version == _IPV4 else 0
        return _HEAD.pack(kind, code, number, 0) + even


def _versions(listener: Socket) -> tuple[int, ...]:
    """Return the versions of IP that come to a listener."""
    if listener.family == socket.AF_INET:
        return (_IPV4,)
    alone = listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    return (_IPV6,) if alone else (_IPV4, _IPV6)


def _where(client: str, interface: str) -> tuple[Any, ...]:
    """Return where a client is; a link-local address is one of an interface."""
    if ":" not in client:
        return client, 0
    return client, 0, 0, socket.if_nametoindex(interface) if IPv6Address(client).is_link_local else 0
