"""Which connection a packet is of, read from its IP header and the ports behind it.

What we send under a loss has an option or a routing header, RFC 8754, in front of TCP; the ports are behind that.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

_V4 = 4
_V6_HEADER = 40
_NEXT_HEADER = 6
_ROUTING = 43
_SYN, _ACK, _FLAGS = 2, 16, 13

Ends = bytes
"""A connection, whichever way its packets go: both addresses with their ports, the lower one first."""

Where = tuple[str, int]
"""An address and a port, as sockets have them."""


def ends_of(data: bytes) -> Ends | None:
    """Return the connection that a packet is of; None where it is too short to tell."""
    at = _transport(data)
    if len(data) < at + 4:
        return None
    if data[0] >> 4 == _V4:
        return _ends(data[12:16] + data[at : at + 2], data[16:20] + data[at + 2 : at + 4])
    return _ends(data[8:24] + data[at : at + 2], data[24:40] + data[at + 2 : at + 4])


def ends(one: Where, other: Where) -> Ends:
    """Return the connection between two ends, as its packets have it."""
    return _ends(_end(one), _end(other))


def opens(data: bytes) -> bool:
    """Tell whether a packet begins a connection: a SYN without an ACK."""
    at = _transport(data) + _FLAGS
    return len(data) > at and data[at] & (_SYN | _ACK) == _SYN


def _transport(data: bytes) -> int:
    """Return where the TCP header begins."""
    if not data:
        return 0
    if data[0] >> 4 == _V4:
        return (data[0] & 15) * 4
    if len(data) > _V6_HEADER + 1 and data[_NEXT_HEADER] == _ROUTING:
        return _V6_HEADER + 8 + data[_V6_HEADER + 1] * 8
    return _V6_HEADER


def _ends(one: bytes, other: bytes) -> Ends:
    return one + other if one < other else other + one


def _end(where: Where) -> bytes:
    ip = ip_address(where[0].partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_unspecified:  # connect(2) takes it for this machine
        ip = ip_address("127.0.0.1" if ip.version == _V4 else "::1")
    return ip.packed + where[1].to_bytes(2, "big")
