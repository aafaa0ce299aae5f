from __future__ import annotations

import pytest

from bustedwall.policy.address import Address, Passed, where_to_listen


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("db.internal:5432", "db.internal", 5432),
        ("localhost:0", "localhost", 0),
        ("[::1]:80", "::1", 80),
        ("[fe80::1%eth0]:65535", "fe80::1%eth0", 65535),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, host: str, port: int) -> None:
    assert Address.parse(text) == Address(host, port)


@pytest.mark.parametrize("text", ["127.0.0.1:8080", "db.internal:5432", "[::1]:80", "[fe80::1%eth0]:1"])
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected HOST:PORT"),
        ("localhost", "expected HOST:PORT"),
        ("local host:80", "expected HOST:PORT"),
        ("localhost:http", "expected HOST:PORT"),
        ("http://localhost:80", "expected HOST:PORT"),
        ("user@localhost:80", "expected HOST:PORT"),
        (":80", "which host"),
        ("::1:80", r"did you mean '\[::1\]:80'"),
        ("[::g]:80", "not an IPv6 address"),
        ("[localhost]:80", "not an IPv6 address"),
        ("256.0.0.1:80", "not an IPv4 address"),
        ("22:22", "not an IPv4 address"),
        ("localhost:65536", "at most 65535"),
    ],
)
def test_what_is_no_address_is_refused_with_advice(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Address.parse(text)


def test_a_socket_that_is_passed_on_has_a_name() -> None:
    assert where_to_listen("fd:web") == Passed("web")
    assert str(Passed("web")) == "fd:web"
    assert where_to_listen("127.0.0.1:80") == Address("127.0.0.1", 80)
    for text in ("fd:", "fd:two words", "fd:a:b"):
        with pytest.raises(ValueError, match="expected the name of a socket, as in fd:web, got"):
            where_to_listen(text)
