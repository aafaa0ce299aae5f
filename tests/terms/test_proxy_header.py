"""The PROXY protocol's header, by HAProxy's proxy-protocol.txt; the numbers in brackets are its sections."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bustedwall.terms.proxy_header import LIMIT, Ends, Header, HeaderError, Refusal, Version, crc32c, read, write

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")

FOUR = Ends(IPv4Address("192.168.0.1"), 56324, IPv4Address("192.168.0.11"), 443)
SIX = Ends(IPv6Address("2001:db8::1"), 1, IPv6Address("::1"), 65535)


def v2(command: int, kind: int, block: bytes) -> bytes:
    return SIGNATURE + bytes([command, kind]) + len(block).to_bytes(2) + block


def entry(kind: int, value: bytes) -> bytes:
    return bytes([kind]) + len(value).to_bytes(2) + value


BLOCK = bytes([192, 168, 0, 1, 192, 168, 0, 11]) + (56324).to_bytes(2) + (443).to_bytes(2)


# ---- what is read


@pytest.mark.parametrize(
    ("line", "ends"),
    [
        (b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", FOUR),  # (2.1), its example
        (b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", SIX),
        (b"PROXY TCP6 2001:DB8:0:0:0:0:0:1 0000:0000:0000:0000:0000:0000:0000:0001 1 65535\r\n", SIX),
        (b"PROXY TCP6 ::ffff:c0a8:1 ::ffff:192.168.0.11 56324 443\r\n", FOUR),
        (b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", Ends.of(("0.0.0.0", 0), ("255.255.255.255", 65535))),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN \r\n", None),
        (b"PROXY UNKNOWN whatever it \r may \n be\r\n", None),
        (b"PROXY UNKNOWN " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2 + [b"65535"] * 2) + b"\r\n", None),  # the longest
    ],
)
def test_a_line_is_read(line: bytes, ends: Ends | None) -> None:
    assert read(line + b"GET / HTTP/1.1\r\n") == Header(len(line), ends)


def test_what_haproxy_sends_is_read() -> None:
    # A dump of HAProxy's send-proxy-v2, from a page of somebody who looked.
    dump = "0d0a0d0a000d0a515549540a2111000cac130001ac130003a652005047455420"
    told = Ends(IPv4Address("172.19.0.1"), 42578, IPv4Address("172.19.0.3"), 80)
    assert read(bytes.fromhex(dump)) == Header(28, told)


@pytest.mark.parametrize(
    ("header", "ends"),
    [
        (v2(0x21, 0x11, BLOCK), FOUR),
        (v2(0x21, 0x21, SIX.source.packed + SIX.destination.packed + b"\0\1\xff\xff"), SIX),
        (v2(0x20, 0x00, b""), None),
        (v2(0x20, 0x11, BLOCK), None),  # LOCAL: the block is discarded
        (v2(0x20, 0xFF, b"any"), None),  # … with its family
        (v2(0x21, 0x00, b""), None),
        (v2(0x21, 0x00, b"any"), None),
        (v2(0x21, 0x12, BLOCK), None),  # UDP
        (v2(0x21, 0x31, bytes(216)), None),  # a UNIX socket
        (v2(0x21, 0x10, BLOCK), None),
        (v2(0x21, 0x01, b""), None),
    ],
)
def test_a_binary_header_is_read(header: bytes, ends: Ends | None) -> None:
    assert read(header + b"\x16\x03\x01") == Header(len(header), ends)


def test_what_is_told_beside_the_addresses_is_kept() -> None:
    extra = entry(0x02, b"example.com") + entry(0xEA, b"") + entry(0x20, bytes(9))
    header = v2(0x21, 0x11, BLOCK + extra)
    assert read(header) == Header(len(header), FOUR, extra)


# ---- what is refused


@pytest.mark.parametrize(
    "data",
    [
        b"G",
        b"GET / HTTP/1.1\r\n\r\n",
        b"PROXX",
        b"PROXY  TCP4",
        b"PROXY TCP5 ",
        b"PROXY UNKNOWM",
        b"\r\n\r\n\0\r\r",
        b"\0",
    ],
)
def test_what_begins_otherwise_is_refused_at_once(data: bytes) -> None:
    assert refusal(data) is Refusal.FOREIGN


@pytest.mark.parametrize(
    "line",
    [
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324\r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443 \r\n",
        "PROXY TCP4 192.168.0.1  192.168.0.11 56324 443\r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\n\r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 65536\r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 0443\r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 +443\r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 ٤٤٣\r\n",
        "PROXY TCP4 192.168.0.01 192.168.0.11 56324 443\r\n",
        "PROXY TCP4 192.168.0.256 192.168.0.11 56324 443\r\n",
        "PROXY TCP4 192.168.1 192.168.0.11 56324 443\r\n",
        "PROXY TCP4 ::1 ::1 56324 443\r\n",
        "PROXY TCP6 192.168.0.1 192.168.0.11 56324 443\r\n",
        "PROXY TCP6 ::1::2 ::1 56324 443\r\n",
        "PROXY TCP6 fe80::1%lo ::1 56324 443\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY TCP4 \r\n",
    ],
)
def test_a_line_that_is_not_exactly_right_is_refused(line: str) -> None:
    assert refusal(line.encode()) is Refusal.MALFORMED


@pytest.mark.parametrize("data", [b"PROXY UNKNOWN" + b" " * 94, b"PROXY UNKNOWN" + b" " * 93 + b"\r\n"])
def test_a_line_without_an_end_in_107_bytes_is_refused(data: bytes) -> None:
    assert read(data[:106]) is None
    assert refusal(data) is Refusal.TOO_LONG


@pytest.mark.parametrize(
    "header",
    [
        v2(0x11, 0x11, BLOCK),  # version 1
        v2(0x31, 0x11, BLOCK),
        v2(0x22, 0x11, BLOCK),  # no known command
        v2(0x21, 0x41, BLOCK),  # no known family
        v2(0x21, 0x13, BLOCK),  # no known transport
        v2(0x21, 0x11, BLOCK[:-1]),
        v2(0x21, 0x21, BLOCK),
        v2(0x21, 0x11, BLOCK + b"\x02"),
        v2(0x21, 0x11, BLOCK + b"\x02\x00\x05four"),
        v2(0x21, 0x11, BLOCK + entry(3, b"123")),
        v2(0x21, 0x11, BLOCK + entry(3, bytes(4)) * 2),
    ],
)
def test_a_binary_header_that_is_not_right_is_refused(header: bytes) -> None:
    assert refusal(header) is Refusal.MALFORMED


def test_a_header_of_more_than_its_limit_is_refused_before_it_has_come() -> None:
    room = LIMIT - 16
    assert read(v2(0x21, 0, bytes(room))) == Header(LIMIT, None)
    assert read(v2(0x21, 0, bytes(room))[:-1]) is None
    assert refusal(v2(0x21, 0, bytes(room + 1))[:16]) is Refusal.TOO_LONG


def refusal(data: bytes) -> Refusal:
    with pytest.raises(HeaderError) as caught:
        read(data)
    return caught.value.refusal


# ---- the checksum


@pytest.mark.parametrize(
    ("data", "crc"),  # RFC 3720, B.4, and the check value of every catalogue
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(reversed(range(32))), 0x113FDB5C),
        (b"123456789", 0xE3069283),
    ],
)
def test_a_checksum_is_castagnolis(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


def test_a_checksum_is_of_the_header_with_zeros_in_its_place() -> None:
    empty = v2(0x21, 0x11, BLOCK + entry(3, bytes(4)) + entry(4, bytes(9)))
    right = v2(0x21, 0x11, BLOCK + entry(3, crc32c(empty).to_bytes(4)) + entry(4, bytes(9)))
    found = read(right)
    assert found is not None
    assert found.ends == FOUR
    assert refusal(empty) is Refusal.CHECKSUM
    assert write(Version.V2, FOUR, found.extra) == right
    assert read(write(Version.V2, SIX, found.extra)) is not None, "it is made anew for other addresses"


# ---- what is written


@pytest.mark.parametrize(
    ("version", "ends", "header"),
    [
        (Version.V1, FOUR, b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"),
        (Version.V1, SIX, b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"),
        (Version.V1, None, b"PROXY UNKNOWN\r\n"),
        (Version.V2, FOUR, SIGNATURE + b"\x21\x11\x00\x0c" + BLOCK),
        (Version.V2, None, SIGNATURE + b"\x20\x00\x00\x00"),
    ],
)
def test_a_header_is_written_as_the_specification_says(version: Version, ends: Ends | None, header: bytes) -> None:
    assert write(version, ends) == header


def test_ends_are_what_sockets_call_them() -> None:
    assert Ends.of(("192.168.0.1", 56324), ("192.168.0.11", 443)) == FOUR
    assert Ends.of(("::ffff:192.168.0.1", 56324), ("::ffff:192.168.0.11", 443)) == FOUR
    assert Ends.of(("fe80::1%eth0", 1), ("fe80::2%eth0", 2)) == Ends.of(("fe80::1", 1), ("fe80::2", 2))
    assert Ends.of(("192.168.0.1", 1), ("::1", 2)) is None
    assert Ends.of(("", 0), ("/run/socket", 0)) is None


# ---- whatever comes, and however it is cut

ips = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)),
    st.tuples(st.ip_addresses(v=6), st.ip_addresses(v=6)),
    st.tuples(*[st.ip_addresses(v=4).map(lambda ip: ip_address(f"::ffff:{ip}"))] * 2),
)
ports = st.integers(0, 65535)
all_ends = st.builds(lambda both, one, other: Ends.of((str(both[0]), one), (str(both[1]), other)), ips, ports, ports)
extras = st.lists(
    st.builds(entry, st.integers(0, 255).filter(lambda kind: kind != 3), st.binary(max_size=40)), max_size=4
).map(b"".join)
headers = st.one_of(
    st.builds(write, st.just(Version.V1), st.none() | all_ends),
    st.builds(write, st.just(Version.V2), st.none() | all_ends, extras | extras.map(lambda e: e + entry(3, bytes(4)))),
)


@given(ends=all_ends, extra=extras, tail=st.binary(max_size=20))
def test_what_is_written_is_read_back_and_nothing_behind_it(ends: Ends, extra: bytes, tail: bytes) -> None:
    for version in Version:
        header = write(version, ends, extra)
        told = extra if version is Version.V2 else b""
        assert read(header + tail) == Header(len(header), ends, told)


@given(header=headers, data=st.data())
def test_a_part_of_a_header_is_waited_for(header: bytes, data: st.DataObject) -> None:
    assert read(header[: data.draw(st.integers(0, len(header) - 1))]) is None


garbage = st.one_of(
    st.binary(max_size=300),
    st.binary(max_size=300).map(lambda rest: SIGNATURE + rest),
    st.builds(v2, st.sampled_from([0x20, 0x21]), st.sampled_from([0, 0x11, 0x12, 0x21, 0x31]), st.binary(max_size=80)),
    st.builds(
        lambda start, rest: start + rest.encode(),
        st.sampled_from([b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN"]),
        st.text("0123456789abcdef:. \r\n", max_size=120),
    ),
    st.builds(
        lambda header, at, byte: header[: at % len(header)] + bytes([byte]) + header[at % len(header) + 1 :],
        headers,
        st.integers(0, 5000),
        st.integers(0, 255),
    ),
)


@given(data=garbage)
def test_more_bytes_never_change_an_answer(data: bytes) -> None:
    answers = []
    for size in range(len(data) + 1):
        try:
            found = read(data[:size])
        except HeaderError as error:
            answers.append(error.refusal)
        else:
            if isinstance(found, Header):
                assert found.size <= min(size, LIMIT)
            if found is not None or answers:
                answers.append(found)
    assert len(set(answers)) <= 1
