"""What is wrong with a test whose own assertions held: its faults met nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from bustedwall.client import Json
from bustedwall.client.effect import Effect, Span, effect


@dataclass(slots=True)
class Asked:
    """One use of a policy by a proxy of a test: until it is removed or applied again, and a block's for the block."""

    proxy: str
    policy: str
    may_not_fire: bool
    spans: list[Span] = field(default_factory=list)
    """When it was in force, by the numbers of facts; of several, a block has had another use of it in between."""

    @property
    def lasts(self) -> bool:
        """Tell whether it is in force."""
        return bool(self.spans) and self.spans[-1][1] is None

    def begin(self, number: int) -> None:
        """Take note that it is in force, behind the fact of this number."""
        self.spans.append((number, None))

    def end(self, number: int) -> None:
        """Take note that it is no more; nothing if it was not."""
        if self.lasts:
            self.spans[-1] = (self.spans[-1][0], number)

    def effect(self, facts: Collection[Json]) -> Effect:
        """Return what it has done."""
        return effect((fact for fact in facts if fact["proxy"] == self.proxy), self.policy, self.spans)


def complaints(asked: Sequence[Asked], facts: Collection[Json]) -> Iterator[str]:
    """Yield what is to be said of each use that had no effect, and had to have one."""
    many = Counter((one.proxy, one.policy) for one in asked)
    seen: Counter[tuple[str, str]] = Counter()
    for one in asked:
        which = one.proxy, one.policy
        seen[which] += 1
        if not one.may_not_fire and not (told := one.effect(facts)).effective:
            use = f", of its {many[which]} uses the {seen[which]}." if many[which] > 1 else ""
            yield f"{told}{use}: this test has not met the policy that it is about"


def waiting(asked: Sequence[Asked], facts: Collection[Json]) -> bool:
    """Tell whether the verdict on one of them is still to come, and would matter."""
    told = [one.effect(facts) for one in asked if not one.may_not_fire]
    return any(one.waiting and not one.effective for one in told)
