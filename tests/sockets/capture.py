"""What was on the wire: tshark on the loopback device, known to be ready, and stopped with nothing missing.

A UDP datagram marks both moments: tshark has begun once it shows the first, and it shows packets in
their order, so that all before the last have been shown when the last is.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

FIELDS = (
    "frame.time_epoch",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.flags",
    "tcp.len",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "ip.hdr_len",
    "icmp.type",
    "icmpv6.type",
    "udp.dstport",
    "udp.length",
    "tcp.analysis.retransmission",
    "ipv6.routing.type",
    "tcp.window_size_value",
    "ip.ttl",
    "ipv6.hlim",
)

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10


@dataclass(frozen=True)
class Packet:
    """A segment as it was on the wire, or an ICMP message about one."""

    time: float
    source: int
    target: int
    flags: int
    length: int
    seq: int
    ack: int
    optioned: bool
    """Its IP header carries the option, or the routing header, that makes the next stack discard it."""
    icmp: int | None
    repeated: bool
    """tshark calls it a retransmission."""
    window: int = 0
    """As it is in the header, not scaled."""
    ttl: int = 0
    """Or the hop limit."""

    def has(self, flags: int) -> bool:
        return self.flags & flags == flags


class Capture:
    """tshark, from when it is ready."""

    def __init__(self, ports: Iterable[int]) -> None:
        self._ports = frozenset(ports)
        self._mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._mark.bind(("127.0.0.1", 0))
        port = self._mark.getsockname()[1]
        wanted = " or ".join(f"tcp port {number}" for number in sorted(self._ports))
        fields = [argument for name in FIELDS for argument in ("-e", name)]
        command = [
            "tshark",
            "-i",
            "lo",
            "-n",
            "-l",
            "-f",
            f"{wanted} or icmp or icmp6 or ip6 proto 43 or udp port {port}",
        ]
        command += ["-T", "fields", "-E", "separator=;", "-E", "occurrence=f", *fields]
        self._tshark = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._text = b""
        self._rows: list[list[str]] = []
        self._marks = self._seen = 0
        self._port = port

    def mark(self) -> None:
        """Send a mark until it is seen; all packets before it have been seen then."""
        number, deadline = self._marks + 1, time.monotonic() + 20
        assert self._tshark.stdout is not None
        while self._seen < number:
            assert time.monotonic() < deadline, f"tshark does not answer: {self._error()}"
            self._marks += 1
            self._mark.sendto(bytes(self._marks), ("127.0.0.1", self._port))  # a mark's number is its length
            while self._seen < number and select.select([self._tshark.stdout], [], [], 0.1)[0]:
                data = os.read(self._tshark.stdout.fileno(), 1 << 16)
                assert data, f"tshark has ended: {self._error()}"
                self._take(data)

    def _error(self) -> str:
        assert self._tshark.stderr is not None
        self._tshark.terminate()
        return self._tshark.stderr.read().decode()

    def _take(self, data: bytes) -> None:
        *lines, self._text = (self._text + data).split(b"\n")
        for line in lines:
            row = line.decode().split(";")
            if row[FIELDS.index("udp.dstport")] == str(self._port):
                self._seen = int(row[FIELDS.index("udp.length")]) - 8
            else:
                self._rows.append(row)

    def packets(self) -> list[Packet]:
        """Return all packets until now; an ICMP message is ours if the segment that it quotes is."""
        self.mark()
        found = [_packet(row) for row in self._rows]
        return [packet for packet in found if {packet.source, packet.target} & self._ports]

    def close(self) -> None:
        self._tshark.terminate()
        self._tshark.communicate(timeout=10)
        self._mark.close()


def _packet(row: list[str]) -> Packet:
    value = dict(zip(FIELDS, row, strict=True))

    def number(name: str) -> int:
        return int(value[name] or "0", 0)

    return Packet(
        float(value["frame.time_epoch"]),
        number("tcp.srcport"),
        number("tcp.dstport"),
        number("tcp.flags"),
        number("tcp.len"),
        number("tcp.seq_raw"),
        number("tcp.ack_raw"),
        number("ip.hdr_len") > 20 or bool(value["ipv6.routing.type"]),
        int(kind) if (kind := value["icmp.type"] or value["icmpv6.type"]) else None,
        bool(value["tcp.analysis.retransmission"]),
        number("tcp.window_size_value"),
        number("ip.ttl") or number("ipv6.hlim"),
    )


def told(packets: Iterable[Packet], peer: int) -> list[str]:
    """Write segments as the research does, `C[P.]`: C from the peer's port, S from us; `.` is ACK.

    Without the pure ACKs, whose number depends on timers, but for the one that ends a handshake.
    """
    flags = {"S": SYN, "F": FIN, "R": RST, "P": PSH, ".": ACK}
    seen = [
        f"{'C' if packet.source == peer else 'S'}[{''.join(sign for sign, bit in flags.items() if packet.has(bit))}]"
        for packet in packets
        if packet.icmp is None
    ]
    return [each for at, each in enumerate(seen) if each[1:] != "[.]" or (at and seen[at - 1] == "S[S.]")]


@contextmanager
def capturing(*ports: int) -> Iterator[Capture]:
    """Capture what comes from or goes to these ports."""
    capture = Capture(ports)
    try:
        capture.mark()
        yield capture
    finally:
        capture.close()
