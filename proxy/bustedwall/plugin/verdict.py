"""What is wrong with a test whose own assertions held: its faults met nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from bustedwall.client import Json
from bustedwall.client.effect import effect


@dataclass(frozen=True, slots=True)
class Asked:
    """A policy that a proxy of a test had, for a while or to the end."""

    proxy: str
    policy: str
    may_not_fire: bool


def complaints(asked: Iterable[Asked], facts: Collection[Json]) -> Iterator[str]:
    """Yield what is to be said of each policy that had no effect, and had to have one."""
    for one in dict.fromkeys(asked):
        if not one.may_not_fire:
            told = effect((fact for fact in facts if fact["proxy"] == one.proxy), one.policy)
            if not told.effective:
                yield f"{told}: this test has not met the policy that it is about"


def waiting(asked: Iterable[Asked], facts: Collection[Json]) -> bool:
    """Tell whether the verdict on one of them is still to come, and would matter."""
    told = [
        effect((fact for fact in facts if fact["proxy"] == one.proxy), one.policy)
        for one in dict.fromkeys(asked)
        if not one.may_not_fire
    ]
    return any(one.waiting and not one.effective for one in told)
