"""The header of the PROXY protocol, read and written: whose connection a proxy passes on.

The specification is HAProxy's proxy-protocol.txt. Twisted has parsers for it (`twisted.protocols.haproxy`),
which want the first 16 bytes in one piece, take `+80` for a port and text for an address, and drop
what a version 2 header says beside the addresses; so there are some lines of our own.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import Enum
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address

LIMIT = 4096
"""Bytes of a header at most, as nginx has it; version 2 could say 65,551."""

_LINE = 107
"""Bytes of a version 1 header at most, CRLF included (2.1)."""

_BEGINNINGS = (b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN")
_TCP = re.compile(rb"PROXY TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})")
_MOST = 65535

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED = struct.Struct("!12sBBH")
_LOCAL, _PROXY = 0x20, 0x21
_LAST_FAMILY, _LAST_TRANSPORT = 3, 2
_TCP4, _TCP6 = 0x11, 0x21
_ADDRESSES = {_TCP4: struct.Struct("!4s4sHH"), _TCP6: struct.Struct("!16s16sHH")}

_ENTRY = struct.Struct("!BH")
_CHECKSUM, _CHECKSUM_SIZE = 3, 4  # PP2_TYPE_CRC32C

Ip = IPv4Address | IPv6Address


class Version(Enum):
    """How a header is written."""

    V1 = "v1"
    """A line of text."""
    V2 = "v2"
    """Binary."""


class Refusal(Enum):
    """Why a client is refused from which a header was to come."""

    FOREIGN = "no PROXY header"
    """What came begins otherwise than any header."""
    MALFORMED = "malformed"
    TOO_LONG = "too long"
    CHECKSUM = "wrong checksum"
    """The header says what its CRC32c is, and it is another."""
    ENDED = "ended before it was whole"
    """The client finished or aborted the connection."""
    LATE = "not whole in time"


class HeaderError(Exception):
    """What came is not a header."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Ends:
    """The two ends of the connection that is passed on; both addresses are of one IP version."""

    source: Ip
    source_port: int
    destination: Ip
    destination_port: int

    @classmethod
    def of(cls, source: tuple[str, int], destination: tuple[str, int]) -> Ends | None:
        """Return the ends by what a socket calls them; None if these are not two IP addresses of one version."""
        try:
            ips = [ip_address(host.partition("%")[0]) for host, _ in (source, destination)]
        except ValueError:
            return None
        return _ends(ips[0], ips[1], source[1], destination[1])


@dataclass(frozen=True, slots=True)
class Header:
    """A header that was read."""

    size: int
    """Bytes of it; what comes behind them is the client's."""
    ends: Ends | None
    """None: it tells no addresses that mean anything to TCP, and the real ones hold."""
    extra: bytes = b""
    """The type-length-value entries of version 2."""


def read(data: bytes) -> Header | None:
    """Return the header that the data begins with, or None while it is not whole; raises HeaderError."""
    if _SIGNATURE.startswith(data[: len(_SIGNATURE)]):
        return _read_v2(data)
    if any(beginning.startswith(data[: len(beginning)]) for beginning in _BEGINNINGS):
        return _read_v1(data)
    raise HeaderError(Refusal.FOREIGN)


def write(version: Version, ends: Ends | None, extra: bytes = b"") -> bytes:
    """Return the header that tells these ends; None: nobody knows them, and the receiver takes the real ones.

    `extra` goes with version 2; a checksum in it is made anew.
    """
    if version is Version.V2:
        return _write_v2(ends, extra)
    if ends is None:
        return b"PROXY UNKNOWN\r\n"
    where = f"{ends.source} {ends.destination} {ends.source_port} {ends.destination_port}"
    return f"PROXY TCP{ends.source.version} {where}\r\n".encode()


def _ends(source: Ip, destination: Ip, source_port: int, destination_port: int) -> Ends | None:
    """Return the ends; IPv4 addresses that are written as IPv6 are told as what they are."""
    if isinstance(source, IPv6Address) and isinstance(destination, IPv6Address):
        one, other = source.ipv4_mapped, destination.ipv4_mapped
        if one is not None and other is not None:
            source, destination = one, other
    if source.version != destination.version:
        return None
    return Ends(source, source_port, destination, destination_port)


# ---- version 1


def _read_v1(data: bytes) -> Header | None:
    end = data.find(b"\r\n", 0, _LINE)
    if end < 0:
        if len(data) >= _LINE:
            raise HeaderError(Refusal.TOO_LONG)
        return None
    line, size = data[:end], end + 2
    unknown = _BEGINNINGS[-1]
    if line == unknown or line.startswith(unknown + b" "):
        return Header(size, None)
    match = _TCP.fullmatch(line)
    if match is None:
        raise HeaderError(Refusal.MALFORMED)
    version, source, destination, *ports = match.groups()
    kind = IPv4Address if version == b"4" else IPv6Address
    if max(map(int, ports)) > _MOST:
        raise HeaderError(Refusal.MALFORMED)
    try:
        return Header(size, _ends(kind(source.decode()), kind(destination.decode()), *map(int, ports)))
    except AddressValueError:
        raise HeaderError(Refusal.MALFORMED) from None


# ---- version 2


def _read_v2(data: bytes) -> Header | None:
    if len(data) < _FIXED.size:
        return None
    _, command, kind, length = _FIXED.unpack_from(data)
    if command not in (_LOCAL, _PROXY):
        raise HeaderError(Refusal.MALFORMED)
    if command == _PROXY and (kind >> 4 > _LAST_FAMILY or kind & 15 > _LAST_TRANSPORT):
        raise HeaderError(Refusal.MALFORMED)
    size = _FIXED.size + length
    if size > LIMIT:
        raise HeaderError(Refusal.TOO_LONG)
    if len(data) < size:
        return None
    shape = _ADDRESSES.get(kind)
    if command == _LOCAL or shape is None:
        return Header(size, None)  # a check of the sender's own; or UDP or a UNIX socket, which is as unknown
    if length < shape.size:
        raise HeaderError(Refusal.MALFORMED)
    source, destination, *ports = shape.unpack_from(data, _FIXED.size)
    whole, extra = data[:size], data[_FIXED.size + shape.size : size]
    at = _checksum_in(extra)
    if at is not None and whole != _with_checksum(whole, at - len(extra)):
        raise HeaderError(Refusal.CHECKSUM)
    return Header(size, _ends(ip_address(source), ip_address(destination), *ports), extra)


def _write_v2(ends: Ends | None, extra: bytes) -> bytes:
    if ends is None:
        return _FIXED.pack(_SIGNATURE, _LOCAL, 0, 0)
    kind = _TCP4 if isinstance(ends.source, IPv4Address) else _TCP6
    addresses = ends.source.packed, ends.destination.packed, ends.source_port, ends.destination_port
    block = _ADDRESSES[kind].pack(*addresses) + extra
    header = _FIXED.pack(_SIGNATURE, _PROXY, kind, len(block)) + block
    at = _checksum_in(extra)
    return header if at is None else _with_checksum(header, at - len(extra))


def _checksum_in(extra: bytes) -> int | None:
    """Return where in the entries the checksum is, or None; raises HeaderError if that are no whole entries."""
    at, found = 0, None
    while at < len(extra):
        if at + _ENTRY.size > len(extra):
            raise HeaderError(Refusal.MALFORMED)
        kind, length = _ENTRY.unpack_from(extra, at)
        at += _ENTRY.size
        if at + length > len(extra):
            raise HeaderError(Refusal.MALFORMED)
        if kind == _CHECKSUM:
            if length != _CHECKSUM_SIZE or found is not None:
                raise HeaderError(Refusal.MALFORMED)
            found = at
        at += length
    return found


def _with_checksum(header: bytes, at: int) -> bytes:
    """Return a header with its checksum, which is that of the header with 0 in its place; `at` is from the end."""
    before, behind = header[:at], header[at:][_CHECKSUM_SIZE:]
    checksum = crc32c(before + bytes(_CHECKSUM_SIZE) + behind)
    return before + checksum.to_bytes(_CHECKSUM_SIZE) + behind


def _polynomial(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_TABLE = tuple(map(_polynomial, range(256)))


def crc32c(data: bytes) -> int:
    """Return the CRC32c, Castagnoli's, of RFC 9260, Appendix A; `zlib.crc32` is another."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
