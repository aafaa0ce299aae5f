"""The packets of some ports, as they are on the wire: a packet socket, and a ring that the kernel fills.

What arrives comes by here before IP and TCP see it, so what these are made to lose is there; what leaves,
when it is handed to the interface. On loopback everything comes by twice, and is taken where it arrives.
A ring (TPACKET_V3), because a socket's queue may hold 208 KiB without CAP_NET_ADMIN, which is three packets of
64 KiB, and because a block of packets is one call. What finds no room in it is counted by the kernel.
Linux: Documentation/networking/packet_mmap.rst, linux/if_packet.h. It needs CAP_NET_RAW.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import struct
from collections.abc import Iterable, Iterator

from bustedwall.kernel import bpf
from bustedwall.kernel.bpf import Do, Require, block, written
from bustedwall.kernel.sockets import Socket
from bustedwall.terms.packet import Packet

RETIRE = 0.05
"""Seconds after which a block that is not full is handed to us all the same."""

_BLOCK, _BLOCKS = 256 << 10, 64
"""16 MiB; nothing else of the machine's memory grows with what is captured."""

_SOL_PACKET = 263
_PACKET_RX_RING, _PACKET_STATISTICS, _PACKET_VERSION, _TPACKET_V3 = 5, 6, 10, 2
_ETH_P_ALL, _ETH_P_IP, _ETH_P_IPV6 = 3, 0x0800, 0x86DD
_ARPHRD_LOOPBACK = 772
_PACKET_OTHERHOST, _PACKET_OUTGOING = 3, 4
_ROUTING = 43
_TP_STATUS_USER = 1

_ADDRESS = struct.Struct("=HHiHBB8s")
_REQUEST = struct.Struct("=7I")
_STATISTICS = struct.Struct("=3I")
_STATUS = struct.Struct("=I")
_STATUS_AT = 8
_HEAD = struct.Struct("=III")
"""Of a block: its status, how many packets are in it, where the first one is."""
_PACKET = struct.Struct("=IIIIIIHH")
"""Where the next one is, when it came in seconds and nanoseconds, how much of how much is there, status, where."""
_DEVICE_AT = 48 + 4
_DEVICE = struct.Struct("=i")

_SECOND = 10**9

_IGNORED = written(Do(bpf.RETURN, 0))


def program(ports: Iterable[int], snaplen: int) -> bytes:
    """Return what keeps so much of each TCP packet from or to one of these ports, and nothing else."""
    kept = written(Do(bpf.RETURN, snaplen))
    return _once(
        b"".join(
            block((Do(bpf.LOAD_HALF_AT_X, side), Require(bpf.IF_EQUAL, port)), kept)
            for port in sorted(set(ports))
            for side in (0, 2)
        )
    )


def arriving_syns(port: int, snaplen: int) -> bytes:
    """Return what keeps so much of each packet that arrives here and asks this port for a connection."""
    asks = (Do(bpf.LOAD_BYTE_AT_X, bpf.FLAGS), Do(bpf.AND, bpf.SYN | bpf.ACK), Require(bpf.IF_EQUAL, bpf.SYN))
    wanted = (Do(bpf.LOAD_HALF_AT_X, 2), Require(bpf.IF_EQUAL, port), *asks)
    leaves = (Do(bpf.LOAD_WORD, bpf.PACKET_TYPE), Require(bpf.IF_EQUAL, _PACKET_OUTGOING))
    return block(leaves, _IGNORED) + _once(block(wanted, written(Do(bpf.RETURN, snaplen))))


def _once(wanted: bytes) -> bytes:
    """Return what lets blocks, which find the TCP header at X, choose among TCP packets of this host, each once."""
    tcp, ignored = int(socket.IPPROTO_TCP), _IGNORED
    ours = wanted + ignored
    v6 = (Do(bpf.LOAD_WORD, bpf.PROTOCOL), Require(bpf.IF_EQUAL, _ETH_P_IPV6), Do(bpf.LOAD_BYTE, 6))
    return b"".join(
        [
            block((Do(bpf.LOAD_WORD, bpf.PACKET_TYPE), Require(bpf.IF_EQUAL, _PACKET_OTHERHOST)), ignored),
            block(
                (
                    *(Do(bpf.LOAD_WORD, bpf.DEVICE_TYPE), Require(bpf.IF_EQUAL, _ARPHRD_LOOPBACK)),
                    *(Do(bpf.LOAD_WORD, bpf.PACKET_TYPE), Require(bpf.IF_EQUAL, _PACKET_OUTGOING)),
                ),
                ignored,
            ),
            block(
                (
                    *(Do(bpf.LOAD_WORD, bpf.PROTOCOL), Require(bpf.IF_EQUAL, _ETH_P_IP)),
                    *(Do(bpf.LOAD_BYTE, 9), Require(bpf.IF_EQUAL, tcp)),
                    *(Do(bpf.LOAD_HALF, 6), Require(bpf.IF_ANY_BIT, 0x1FFF, so=False)),  # not the rest of a packet
                    Do(bpf.LOAD_X_IP_HEADER, 0),
                ),
                ours,
            ),
            block((*v6, Require(bpf.IF_EQUAL, tcp), Do(bpf.LOAD_X, 40)), ours),
            block(
                (
                    *(*v6, Require(bpf.IF_EQUAL, _ROUTING)),
                    *(Do(bpf.LOAD_BYTE, 40), Require(bpf.IF_EQUAL, tcp)),
                    *(Do(bpf.LOAD_BYTE, 41), Do(bpf.SHIFT_LEFT, 3), Do(bpf.ADD, 48), Do(bpf.TO_X)),
                ),
                ours,
            ),
            ignored,
        ]
    )


def open_packets(wanted: bytes, *, ring: bool = True) -> Socket:
    """Return a packet socket, non-blocking, that gets what a program keeps and nothing before; raises OSError."""
    sock = Socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)  # protocol 0: it gets nothing yet
    try:
        bpf.attach(sock, wanted)
        if ring:
            sock.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V3)
            frames = _BLOCK * _BLOCKS // mmap.PAGESIZE
            asked = _REQUEST.pack(_BLOCK, _BLOCKS, mmap.PAGESIZE, frames, round(RETIRE * 1000), 0, 0)
            sock.setsockopt(_SOL_PACKET, _PACKET_RX_RING, asked)
        _bind(sock)
    except OSError:
        sock.close()
        raise
    return sock


def _bind(sock: Socket) -> None:
    """Get packets of all protocols, from all interfaces; Python's bind wants one of them."""
    address = _ADDRESS.pack(socket.AF_PACKET, socket.htons(_ETH_P_ALL), 0, 0, 0, 0, bytes(8))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.bind(sock.fileno(), address, len(address)):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


class Ring:
    """The packets of some ports, from when it is made; raises OSError, as for EPERM."""

    def __init__(self, ports: Iterable[int], snaplen: int) -> None:
        self._sock = open_packets(program(ports, snaplen))
        try:
            self._ring = mmap.mmap(self._sock.fileno(), _BLOCK * _BLOCKS)
        except OSError:
            self._sock.close()
            raise
        self._next = 0
        """The block that is handed to us next."""
        self._lost = 0

    def fileno(self) -> int:
        """Return a descriptor that is readable when there are packets."""
        return self._sock.fileno()

    def read(self) -> Iterator[list[Packet]]:
        """Yield the packets of each block that is handed to us, until there is none."""
        for _ in range(_BLOCKS):
            at = self._next * _BLOCK
            status, count, first = _HEAD.unpack_from(self._ring, at + _STATUS_AT)
            if not status & _TP_STATUS_USER:
                return
            packets = [*self._packets(at + first, count)]
            _STATUS.pack_into(self._ring, at + _STATUS_AT, 0)  # it is the kernel's again
            self._next = (self._next + 1) % _BLOCKS
            yield packets

    def _packets(self, at: int, count: int) -> Iterator[Packet]:
        ring = self._ring
        for _ in range(count):
            further, seconds, nanoseconds, there, length, _, _, network = _PACKET.unpack_from(ring, at)
            begin = at + network
            (device,) = _DEVICE.unpack_from(ring, at + _DEVICE_AT)
            yield Packet(seconds * _SECOND + nanoseconds, length, device, ring[begin : begin + there])
            at += further

    def lost(self) -> int:
        """Return how many packets found no room in the ring so far."""
        told = self._sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
        self._lost += _STATISTICS.unpack(told)[1]  # it begins at 0 again each time
        return self._lost

    def close(self) -> None:
        """Get nothing any more. The kernel takes some 30 ms for it, in which Python's lock is free."""
        self._ring.close()
        self._sock.close()


__all__ = ["RETIRE", "Ring", "arriving_syns", "open_packets", "program"]
