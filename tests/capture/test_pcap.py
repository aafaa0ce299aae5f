"""The bytes of a file, as draft-ietf-opsawg-pcap has them, sections 4 and 5."""

from __future__ import annotations

import sys

from bustedwall.capture.pcap import HEADER, header, record

ORDER = sys.byteorder


def numbers(data: bytes, *sizes: int) -> list[int]:
    found, at = [], 0
    for size in sizes:
        found.append(int.from_bytes(data[at : at + size], ORDER))
        at += size
    assert at == len(data)
    return found


def test_the_head_of_a_file_says_nanoseconds_and_packets_that_begin_with_ip() -> None:
    assert numbers(header(128), 4, 2, 2, 4, 4, 4, 4) == [0xA1B23C4D, 2, 4, 0, 0, 128, 101]
    assert len(header(128)) == HEADER


def test_a_packet_has_its_time_to_the_nanosecond_and_both_its_lengths() -> None:
    told = record(1_700_000_000_123_456_789, 1500, b"abc")
    assert numbers(told[:16], 4, 4, 4, 4) == [1_700_000_000, 123_456_789, 3, 1500]
    assert told[16:] == b"abc"
