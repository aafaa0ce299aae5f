"""What a box on the path does beside the hosts' own TCP: it looks at segments, and forges some."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from tests.groundtruth.network import Host

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

_ALL, _IPV4 = 0x0003, 0x0800
"""ETH_P_ALL and ETH_P_IP of linux/if_ether.h: who asks for one protocol sees nothing of what leaves."""


@dataclass(frozen=True)
class Segment:
    """A segment over IPv4, without options."""

    source: tuple[str, int]
    target: tuple[str, int]
    seq: int
    ack: int
    flags: int
    payload: bytes = b""
    ttl: int = 64

    def packet(self) -> bytes:
        """Return it with its IP header, whose checksum the kernel writes."""
        body = self._written(0)
        pseudo = socket.inet_aton(self.source[0]) + socket.inet_aton(self.target[0]) + struct.pack("!HH", 6, len(body))
        body = self._written(_checksum(pseudo + body))
        addresses = (socket.inet_aton(self.source[0]), socket.inet_aton(self.target[0]))
        return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, self.ttl, 6, 0, *addresses) + body

    def _written(self, checksum: int) -> bytes:
        ports = (self.source[1], self.target[1])
        return struct.pack("!HHIIBBHHH", *ports, self.seq, self.ack, 5 << 4, self.flags, 0, checksum, 0) + self.payload


class Wiretap:
    """Sees all segments that come to a host or leave it, from now on."""

    def __init__(self, host: Host) -> None:
        self.sock = host.inside(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL)))
        self._raw = host.socket(socket.SOCK_RAW, socket.IPPROTO_RAW)

    def segments(self, within: float) -> Iterator[Segment]:
        """Yield what passes, each as often as it is seen, until nothing has come for a while."""
        self.sock.settimeout(within)
        try:
            while True:
                packet, (_, protocol, *_) = self.sock.recvfrom(65536)
                if protocol == _IPV4 and packet[9] == socket.IPPROTO_TCP:
                    yield _read(packet)
        except TimeoutError:
            return

    def send(self, segment: Segment) -> None:
        self._raw.sendto(segment.packet(), segment.target)

    def close(self) -> None:
        self.sock.close()
        self._raw.close()


def _read(packet: bytes) -> Segment:
    head = (packet[0] & 0xF) * 4
    (length,) = struct.unpack_from("!H", packet, 2)
    source, target = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
    source_port, target_port, seq, ack, offset, flags = struct.unpack_from("!HHIIBB", packet, head)
    payload = packet[head + (offset >> 4) * 4 : length]
    return Segment((source, source_port), (target, target_port), seq, ack, flags, payload, packet[8])


def _checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    data += bytes(len(data) % 2)
    total = sum(int(each) for each in struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
