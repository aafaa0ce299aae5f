"""Where a run differs from a recording, as it goes and in the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bustedwall.replay.decision import ORDER, SHARE, Decision, Key


@dataclass(frozen=True, slots=True)
class Divergence:
    """One difference."""

    key: Key
    how: str
    """As a sentence goes on."""
    decided: bool = True
    """The decision is another; False: the same was decided, elsewhere in the traffic."""

    def __str__(self) -> str:
        """Return it as one sentence."""
        return f"{self.key}: {self.how}"


class Comparison:
    """Compares decisions with those that were recorded."""

    def __init__(self, recorded: Mapping[Key, Decision]) -> None:
        self._recorded = recorded
        self._awaited: dict[tuple[str, int], dict[Key, Decision]] = {}
        """By proxy and flow: what has not come yet, in the order in which it was recorded."""
        for key, one in recorded.items():
            self._awaited.setdefault((key.proxy, key.flow), {})[key] = one

    def see(self, key: Key, came: Decision) -> Divergence | None:
        """Take a decision; return how it differs, None: it does not."""
        self._awaited.get((key.proxy, key.flow), {}).pop(key, None)
        recorded = self._recorded.get(key)
        if (how := _difference(key, recorded, came)) is not None:
            return Divergence(key, how)
        elsewhere = None if recorded is None else _elsewhere(recorded, came)
        return None if elsewhere is None else Divergence(key, elsewhere, decided=False)

    def end_flow(self, proxy: str, flow: int) -> list[Divergence]:
        """Return what was recorded of a flow and has not come; it is over, and will not."""
        return [_missing(key, one) for key, one in self._awaited.pop((proxy, flow), {}).items()]

    def missing(self) -> Iterator[Divergence]:
        """Yield what was recorded of all other flows and has not come."""
        for proxy, flow in tuple(self._awaited):
            yield from self.end_flow(proxy, flow)


def compare(recorded: Mapping[Key, Decision], came: Mapping[Key, Decision]) -> list[Divergence]:
    """Return all differences of two runs."""
    comparison = Comparison(recorded)
    seen: Iterable[Divergence | None] = [comparison.see(key, one) for key, one in came.items()]
    return [*filter(None, seen), *comparison.missing()]


def _missing(key: Key, recorded: Decision) -> Divergence:
    came = "it was asked" if key.coming in (SHARE, ORDER) else "its moment came"
    return Divergence(key, f"{came}, and it {_did(key, recorded)}; here that has not come")


def _difference(key: Key, recorded: Decision | None, came: Decision) -> str | None:
    if recorded is None:
        return f"it {_did(key, came)}, and there is nothing of it in the recording"
    if recorded.fired != came.fired:
        return f"it {_did(key, came)}; recorded: it {_did(key, recorded)}"
    if recorded.draw != came.draw:
        return f"{came.draw} was drawn; recorded: {recorded.draw}"
    return None


def _elsewhere(recorded: Decision, came: Decision) -> str | None:
    for side, one, other in (
        ("client", recorded.from_client, came.from_client),
        ("server", recorded.from_server, came.from_server),
    ):
        if one != other:
            return f"{other} bytes of the {side} had passed when it fired; recorded: {one}"
    return None


def _did(key: Key, decision: Decision) -> str:
    if key.coming in (SHARE, ORDER):
        return "touches the flow" if decision.fired else "does not touch the flow"
    return "fired" if decision.fired else "did not fire"
