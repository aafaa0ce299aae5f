"""How soon bytes of the server come through again: what each flow had carried when it was healed, and what came since.

There is no fact of a byte. So all open flows are asked just before the policies are taken away, and from then on
at each look, until one of them has more. A flow that closes between two looks tells its bytes in `flow-closed`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bustedwall.client import Client
from bustedwall.suite.result import Happened

Flow = tuple[str | None, int | None]
"""Its proxy, as the suite calls it, and its number."""


def carried(client: Client, proxies: Mapping[str, str]) -> dict[Flow, int]:
    """Return how many bytes of the server each open flow has carried; `proxies` as `Sampling.take` has them."""
    told = client.flows()
    return {
        (proxies[one["proxy"]], one["state"]["flow"]): one["state"]["from_server"]
        for one in told
        if one["proxy"] in proxies
    }


class Recovery:
    """What has come since the healing."""

    def __init__(self, before: Mapping[Flow, int], facts: int) -> None:
        """`before`: what all open flows had carried; `facts`: how many facts had come by then."""
        self._before = before
        self._facts = facts
        self._seen: float | None = None

    @property
    def over(self) -> bool:
        """Tell whether an open flow was seen to have more: there is nothing left to look for."""
        return self._seen is not None

    def look(self, at: float, now: Mapping[Flow, int]) -> None:
        """Take what the open flows have carried now."""
        if self._seen is None and any(count > self._before.get(flow, 0) for flow, count in now.items()):
            self._seen = at

    def at(self, facts: Sequence[Happened]) -> float | None:
        """Return when the first byte was seen, among all facts of the case, too; None: none was."""
        times = [*([] if self._seen is None else [self._seen]), *self._closed(facts[self._facts :])]
        return min(times, default=None)

    def _closed(self, since: Sequence[Happened]) -> Iterator[float]:
        before = dict(self._before)
        for one in since:
            flow = one.proxy, one.flow
            if one.fact == "flow-accepted":
                before[flow] = 0
            # One that is neither new nor was open then had carried all that it has before it was healed.
            elif one.fact == "flow-closed" and flow in before and one.told["from_server"] > before[flow]:
                yield one.at
