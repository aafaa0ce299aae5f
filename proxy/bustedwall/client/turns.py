"""The turns of clients that servers have seen, as facts say; a proxy with `turns` tells them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bustedwall.client.link import Json

TELLING = "turn-sent"
"""The fact that says so."""


def seen(facts: Iterable[Json]) -> Iterator[Json]:
    """Yield the turns that the server has answered, as facts, in the order in which they were over.

    Of the others nobody knows how much the server has read.
    """
    return (fact for fact in facts if fact["fact"] == TELLING and fact["answered"])


def seen_twice(facts: Iterable[Json]) -> list[Json]:
    """Return each turn that a server has seen again: the same bytes, by the same proxy, on whatever flow.

    What comes with every connection, such as a greeting or a login, is among them where there were several.
    """
    before: set[tuple[str, int, str]] = set()
    again = []
    for fact in seen(facts):
        what = fact["proxy"], fact["bytes"], fact["digest"]
        if what in before:
            again.append(fact)
        before.add(what)
    return again
