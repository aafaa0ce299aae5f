"""Which connection a packet is of: said by its headers, and by sockets."""

from __future__ import annotations

import pytest
from tests.capture.packets import ACK, FIN, RST, SYN, between

from bustedwall.capture.packet import ends, ends_of, opens

CASES = [
    (("127.0.0.1", 40000), ("127.0.0.1", 80), {}),
    (("10.0.0.1", 80), ("192.0.2.7", 80), {"options": 3}),
    (("10.0.0.1", 80), ("192.0.2.7", 80), {"options": 10}),
    (("::1", 40000), ("::1", 80), {}),
    (("2001:db8::1", 1), ("fe80::1", 65535), {"routing": 24}),
]


@pytest.mark.parametrize(("one", "other", "more"), CASES)
def test_both_ways_are_one_connection_and_the_one_that_sockets_name(
    one: tuple[str, int], other: tuple[str, int], more: dict[str, int]
) -> None:
    packets = [between(one, other, **more), between(other, one, **more)]
    assert {ends_of(packet) for packet in packets} == {ends(one, other)} == {ends(other, one)}


@pytest.mark.parametrize(("one", "other", "more"), CASES)
def test_another_port_or_address_is_another_connection(
    one: tuple[str, int], other: tuple[str, int], more: dict[str, int]
) -> None:
    host = "127.0.0.9" if ":" not in one[0] else "::9"
    assert ends_of(between(one, (other[0], other[1] - 1), **more)) != ends(one, other)
    assert ends_of(between((host, one[1]), other, **more)) != ends(one, other)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("::ffff:127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("fe80::1%veth-a", "fe80::1")],
)
def test_an_address_as_sockets_write_it_is_the_one_on_the_wire(written: str, meant: str) -> None:
    assert ends((written, 1), (meant, 2)) == ends_of(between((meant, 1), (meant, 2)))


@pytest.mark.parametrize("more", [{}, {"options": 2}])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_connection_begins_with_a_syn_that_acknowledges_nothing(host: str, more: dict[str, int]) -> None:
    if ":" in host and more:
        more = {"routing": 24}
    told = {
        flags: opens(between((host, 1), (host, 2), flags, **more))
        for flags in (SYN, SYN | ACK, ACK, ACK | FIN, RST, RST | ACK)
    }
    assert [flags for flags, so in told.items() if so] == [SYN]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_packet_of_any_length_is_looked_at(host: str) -> None:
    whole = between((host, 1), (host, 2), SYN, **({"routing": 24} if ":" in host else {"options": 10}))
    for length in range(len(whole)):
        ends_of(whole[:length])
        opens(whole[:length])
    assert ends_of(b"") is None
    assert ends_of(whole[:22]) is None
