"""What `@pytest.mark.bustedwall(policy=…)` and `(family=…)` say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bustedwall.client import Value
from bustedwall.client.words import use_of
from bustedwall.policy import library
from bustedwall.policy.words import suggestion

Said = str | Mapping[str, Mapping[str, Value]]
"""A policy, as in a config: its name, or `{name: {parameter: value}}`."""


@dataclass(frozen=True, slots=True)
class Case:
    """A policy that each proxy of a test is to have."""

    policy: str
    values: Mapping[str, Value]
    may_not_fire: bool
    of_family: bool = False
    """The mark does not name it: where this machine cannot do it, the test is skipped."""

    def __str__(self) -> str:
        """Return what a test is called by: `slow-link`, `aws-nlb-idle:idle=1s`."""
        return use_of(self.policy, self.values)


def cases(
    policy: Said | Sequence[Said] | None = None, *, family: str | None = None, may_not_fire: bool = False
) -> list[Case]:
    """Return the policies of a mark; raises ValueError if one is none."""
    if (policy is None) is (family is None):
        raise ValueError("expected either policy or family")
    if family is not None:
        return [Case(name, {}, may_not_fire, of_family=True) for name in _family(family)]
    assert policy is not None
    found = [_case(one, may_not_fire) for one in ([policy] if isinstance(policy, str | Mapping) else policy)]
    if not found:
        raise ValueError("no policy is named, so nothing would be broken")
    return found


def _family(name: str) -> tuple[str, ...]:
    if name not in library.FAMILIES:
        raise ValueError(f"there is no family '{name}'; {suggestion(name, library.FAMILIES)}")
    return library.names(name)


def _case(said: Said, may_not_fire: bool) -> Case:  # noqa: FBT001 (of the mark)
    if isinstance(said, str):
        return Case(said, {}, may_not_fire)
    if len(said) != 1:
        raise ValueError(f"expected a policy's name, or {{name: {{parameter: value}}}}, got {said!r}")
    ((name, values),) = said.items()
    return Case(name, values, may_not_fire)
