"""Who may ask what, decided from a head."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus

import pytest

from bustedwall.control.access import MOST, Access, Head, Role, Tokens, checked_token
from bustedwall.control.problem import RefusedError

FULL, READ = "f" * 32, "r" * 32
TOKENS = Tokens(FULL, READ)
HEAD = Head("127.0.0.1:8474", None, None, None, 0)


def refused(access: Access, head: Head) -> HTTPStatus:
    with pytest.raises(RefusedError) as told:
        access.role(head)
    return told.value.status


@pytest.mark.parametrize(
    ("said", "role"),
    [
        (f"Bearer {FULL}", Role.OWNER),
        (f"bearer  {FULL}", Role.OWNER),
        (f"Bearer {READ}", Role.READER),
        (f"Basic {FULL}", None),
        (FULL, None),
        ("Bearer " + FULL[:-1], None),
        ("Bearer", None),
        ("", None),
        (None, None),
        ("Bearer \udcff", None),
    ],
)
def test_a_token_makes_owners_and_readers(said: str | None, role: Role | None) -> None:
    assert TOKENS.role(said) is role


def test_who_has_no_token_where_one_is_asked_for_may_nothing() -> None:
    assert refused(Access(TOKENS, by_name=True), HEAD) is HTTPStatus.UNAUTHORIZED
    assert refused(Access(Tokens(read=READ), by_name=True), HEAD) is HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize("host", ["127.0.0.1:8474", "localhost:8474", "LOCALHOST", "[::1]:1", "127.9.9.9"])
def test_without_a_token_the_host_is_a_loopback_address(host: str) -> None:
    assert Access(Tokens(), by_name=True).role(replace(HEAD, host=host)) is Role.OWNER


@pytest.mark.parametrize("host", ["evil.example", "10.0.0.1:8474", "127.0.0.1.evil.example", "", "[", "a:b:c", None])
def test_a_name_that_was_made_to_lead_here_is_refused(host: str | None) -> None:
    assert refused(Access(Tokens(), by_name=True), replace(HEAD, host=host)) is HTTPStatus.FORBIDDEN
    assert Access(Tokens(), by_name=False).role(replace(HEAD, host=host)) is Role.OWNER  # no browser comes there


def test_a_page_of_another_site_is_refused_whatever_else_is_right() -> None:
    told = f"Bearer {FULL}"
    for origin in ("http://evil.example", "null", "http://127.0.0.1:8475", "127.0.0.1:8474"):
        head = replace(HEAD, origin=origin, authorization=told)
        assert refused(Access(TOKENS, by_name=True), head) is HTTPStatus.FORBIDDEN
        assert refused(Access(Tokens(), by_name=True), head) is HTTPStatus.FORBIDDEN
    assert Access(Tokens(), by_name=True).role(replace(HEAD, origin="http://127.0.0.1:8474")) is Role.OWNER


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"content_type": "text/plain"}, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
        ({"content_type": None}, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
        ({"content_type": "application/x-www-form-urlencoded"}, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
        ({"length": MOST + 1}, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
        ({"length": None}, HTTPStatus.LENGTH_REQUIRED),
    ],
)
def test_which_bodies_are_not_taken(change: dict[str, str], status: HTTPStatus) -> None:
    good = Head("localhost", None, None, "Application/JSON; charset=utf-8", 2)
    access = Access(Tokens(), by_name=True)
    access.body(good)
    with pytest.raises(RefusedError) as told:
        access.body(replace(good, **change))
    assert told.value.status is status


def test_what_is_a_token() -> None:
    assert checked_token(f" {FULL}\n") == FULL
    for text in ("", "short", "with space in the middle", "ä" * 32, "f" * 15):
        with pytest.raises(ValueError, match="a token"):
            checked_token(text)
