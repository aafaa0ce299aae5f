"""The format of a pcap file with nanoseconds: a header, then each packet behind a header of its own.

Its packets begin with their IP header (LINKTYPE_RAW). Numbers are in this machine's order; the first one,
by which a reader knows that, also says that there are nanoseconds. draft-ietf-opsawg-pcap.
"""

from __future__ import annotations

import struct

_FILE = struct.Struct("=IHHiIII")
_RECORD = struct.Struct("=IIII")

_NANOSECONDS = 0xA1B23C4D
_VERSION = (2, 4)
_RAW = 101
_SECOND = 10**9

HEADER = _FILE.size
"""How long a file is that has no packet."""


def header(snaplen: int) -> bytes:
    """Return what a file begins with; `snaplen`: how much of a packet is kept at most."""
    return _FILE.pack(_NANOSECONDS, *_VERSION, 0, 0, snaplen, _RAW)


def record(stamp: int, length: int, data: bytes) -> bytes:
    """Return a packet as it is in a file: when it came by, how long it was, what is kept of it."""
    return _RECORD.pack(*divmod(stamp, _SECOND), len(data), length) + data
