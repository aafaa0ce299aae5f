"""Packets as they are on the wire, made by hand: RFC 791, RFC 8200, RFC 8754, RFC 9293."""

from __future__ import annotations

import socket
import struct

from bustedwall.terms.packet import Packet

FIN, SYN, RST, ACK = 1, 2, 4, 16
TCP, UDP, ROUTING = 6, 17, 43

Where = tuple[str, int]


def tcp(source: int, target: int, flags: int = ACK, data: bytes = b"") -> bytes:
    return struct.pack("!HHIIBBHHH", source, target, 1, 2, 5 << 4, flags, 512, 0, 0) + data


def v4(
    source: str, target: str, transport: bytes, *, options: int = 0, fragment: int = 0, protocol: int = TCP
) -> bytes:
    """`options`: words of them; `fragment`: which of a packet it is, in units of 8 bytes."""
    length = 20 + 4 * options + len(transport)
    head = struct.pack("!BBHHHBBH", 0x40 | (5 + options), 0, length, 1, fragment, 64, protocol, 0)
    return head + socket.inet_aton(source) + socket.inet_aton(target) + b"\x07" * (4 * options) + transport


def v6(source: str, target: str, transport: bytes, *, routing: int = 0, protocol: int = TCP) -> bytes:
    """`routing`: bytes of a routing header in front of the transport's, a multiple of 8."""
    more = bytes([protocol, routing // 8 - 1]) + bytes(routing - 2) if routing else b""
    head = struct.pack("!IHBB", 6 << 28, len(more) + len(transport), ROUTING if routing else protocol, 64)
    pton = socket.inet_pton
    return head + pton(socket.AF_INET6, source) + pton(socket.AF_INET6, target) + more + transport


def between(source: Where, target: Where, flags: int = ACK, data: bytes = b"", **more: int) -> bytes:
    """Return a TCP packet from one end to the other."""
    make = v6 if ":" in source[0] else v4
    return make(source[0], target[0], tcp(source[1], target[1], flags, data), **more)


def seen(stamp: int, data: bytes, *, device: int = 1) -> Packet:
    return Packet(stamp, len(data), device, data)
