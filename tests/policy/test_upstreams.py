"""Where proxies of the API may lead: what is written, and what it means."""

from __future__ import annotations

import pytest

from bustedwall.policy.address import Address
from bustedwall.policy.upstreams import Allowed, permits


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("db.internal", ["db.internal:1", "DB.INTERNAL:2"], ["x.db.internal:1", "10.0.0.1:1"]),
        ("db.internal:5432", ["db.internal:5432"], ["db.internal:5433"]),
        ("10.0.0.0/8", ["10.255.0.1:1"], ["11.0.0.1:1", "[::1]:1", "db.internal:1"]),
        ("10.0.0.0/8:80", ["10.0.0.1:80"], ["10.0.0.1:81"]),
        ("10.0.0.1", ["10.0.0.1:1"], ["10.0.0.2:1"]),
        ("2001:db8::/32", ["[2001:db8::1]:1"], ["[2001:db9::1]:1"]),
        ("[2001:db8::/32]:80", ["[2001:db8::1]:80"], ["[2001:db8::1]:81"]),
        ("::1", ["[::1]:1", "[0:0::1]:1"], ["[::2]:1", "127.0.0.1:1"]),
    ],
)
def test_what_an_entry_means(text: str, yes: list[str], no: list[str]) -> None:
    allowed = Allowed.parse(text)
    assert all(permits([allowed], Address.parse(upstream)) for upstream in yes)
    assert not any(permits([allowed], Address.parse(upstream)) for upstream in no)
    assert Allowed.parse(str(allowed)) == allowed


def test_nothing_said_is_anywhere_and_an_empty_list_nowhere() -> None:
    assert permits(None, Address("x", 1))
    assert not permits([], Address("x", 1))


@pytest.mark.parametrize("text", ["", ":80", "a b", "a:0", "a:65536", "a:x", "10.0.0.1/8", "10.0.0.0/40", "[::1]"])
def test_what_is_no_entry(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Allowed.parse(text)
