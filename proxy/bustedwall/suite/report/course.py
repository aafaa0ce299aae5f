"""What the flows of a case carried over its time, as the charts show it."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.suite.result import CaseResult

MOST = 400
"""Points of a chart: no screen shows more."""

_NOTHING = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Course:
    """Sums over all flows, at the times that are known."""

    times: tuple[float, ...]
    from_client: tuple[int, ...]
    from_server: tuple[int, ...]
    again: tuple[int, ...]
    """Segments that the kernel has sent again, on both legs, as far as it was asked."""


def course(case: CaseResult) -> Course:
    """Return how a case went, from 0 to its end."""
    seen: list[tuple[float, tuple[str | None, int | None], tuple[int, int, int]]] = []
    for one in case.samples:
        again = (one.retransmits_client or 0) + (one.retransmits_server or 0)
        seen.append((one.at, (one.proxy, one.flow), (one.from_client, one.from_server, again)))
    seen += [
        (one.at, (one.proxy, one.flow), (int(one.told["from_client"]), int(one.told["from_server"]), 0))
        for one in case.facts
        if one.fact == "flow-closed"
    ]
    carried: dict[tuple[str | None, int | None], tuple[int, int, int]] = {}
    total = _NOTHING
    points = {0.0: total}
    for at, flow, told in sorted(seen, key=lambda one: one[0]):
        before = carried.get(flow, _NOTHING)
        now = _highest(before, told)
        carried[flow] = now
        total = (total[0] + now[0] - before[0], total[1] + now[1] - before[1], total[2] + now[2] - before[2])
        points[min(max(at, 0.0), case.seconds)] = total
    points[case.seconds] = total
    times = _thinned(sorted(points))
    client, server, sent_again = zip(*(points[at] for at in times), strict=True)
    return Course(tuple(times), client, server, sent_again)


def _highest(before: tuple[int, int, int], told: tuple[int, int, int]) -> tuple[int, int, int]:
    # A socket that is closed is not asked any more: what it has sent again stays.
    return max(before[0], told[0]), max(before[1], told[1]), max(before[2], told[2])


def _thinned(times: list[float]) -> list[float]:
    if len(times) <= MOST:
        return times
    step = (len(times) - 1) / (MOST - 1)
    return [times[round(n * step)] for n in range(MOST)]
