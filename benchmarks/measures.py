"""What is measured, with whom, and what bustedwall should reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from relays import (
    BUSTEDWALL,
    DELAY_MS,
    DIRECT,
    HAPROXY,
    HAPROXY_1M,
    NARROW,
    NARROW_MB,
    PATIENCE,
    PATIENT,
    RECORDED,
    SEEN,
    SHARED,
    SHARED_MB,
    SLOW,
)

BEST_RELAY = "best relay"
"""In a target: whichever relay of the row was fastest."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A number in the load generator's result, and how it is shown."""

    key: str
    unit: str
    scale: float = 1.0
    offset: float = 0.0
    digits: int = 0

    def of(self, sample: dict[str, float]) -> float:
        """Return the number in its unit."""
        return sample[self.key] * self.scale + self.offset


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on a relay's number, or on its ratio to another relay's."""

    relay: str
    metric: Metric
    bound: float
    at_most: bool = False
    against: str = ""
    title: str = ""

    def met(self, value: float) -> bool:
        """Tell whether a value is within the bound."""
        return value <= self.bound if self.at_most else value >= self.bound


@dataclass(frozen=True, slots=True)
class Measure:
    """One command of the load generator, run against each of some relays."""

    group: str
    title: str
    command: tuple[object, ...]
    relays: tuple[str, ...]
    targets: tuple[Target, ...]
    metric: Metric
    cost: Metric | None = None
    """CPU time of the relay; steadier than what is measured, because load and relay share the processors."""
    fresh: bool = False
    """Measured once on relays that were started for it: their history would be in the number."""


RATE = Metric("mb_per_s", "MB/s")
REQUESTS = Metric("per_s", "/s")
MEDIAN = Metric("p50_us", "µs p50", digits=1)
MEMORY = Metric("kb_per_flow", "kB", digits=2)
ERROR = Metric("mean_us", "ms", scale=1e-3, offset=-DELAY_MS, digits=2)
SPREAD = Metric("sd_us", "ms", scale=1e-3, digits=2)
OFF = Metric("off", "%", scale=100, digits=2)
UNEVEN = Metric("windows_sd", "%", scale=100, digits=2)
UNFAIR = Metric("most_to_least", "x", digits=3)
CPU_PER_GB = Metric("relay_cpu_per_unit", "s/GB", scale=1e9, digits=3)
CPU_PER_REQUEST = Metric("relay_cpu_per_unit", "µs each", scale=1e6, digits=1)

GENERATOR = Target(DIRECT, RATE, 1.3, against=BEST_RELAY, title="  load generator alone")


WINDOWS = 40
"""Of 100 ms, in which bytes are counted."""


def measures(flows: int, samples: int) -> list[Measure]:
    """Return all measures."""
    return [*_bulk(), *_short(), *_recorded(), *_idle(flows), *_latency(samples), *_rates()]


def _bulk() -> list[Measure]:
    rival = Target(BUSTEDWALL, RATE, 0.95, against=HAPROXY_1M)
    seen = Target(SEEN, RATE, 1.5, against=HAPROXY)
    everyone = (DIRECT, HAPROXY, HAPROXY_1M, BUSTEDWALL)
    searched = (HAPROXY, SEEN)
    return [
        *_streams("bulk", 1, everyone, (rival, GENERATOR)),
        *_streams("bulk", 8, everyone, (rival, GENERATOR), copy=True),
        *_streams("seen", 1, searched, (seen,)),
        *_streams("seen", 8, searched, (seen,), copy=True),
        # Ends that cost nothing leave HAProxy's second thread a processor of its own; this shows what that is worth.
        *_streams("free", 8, everyone, ()),
    ]


def _streams(
    group: str, streams: int, relays: tuple[str, ...], targets: tuple[Target, ...], *, copy: bool = False
) -> Iterator[Measure]:
    """Yield both directions; `copy`: the ends copy what they send and receive, as programs do."""
    for way in ("down", "up"):
        options = (*(("--up",) if way == "up" else ()), *(("--copy",) if copy else ()))
        title = f"{group}, {streams} stream{'s' * (streams > 1)} {way}"
        yield Measure(group, title, ("bulk", "--connections", streams, *options), relays, targets, RATE, CPU_PER_GB)


def _short() -> list[Measure]:
    with_direct = (DIRECT, HAPROXY, BUSTEDWALL)
    kinds = (
        ("ping", "ping-pong, 1 connection", "pingpong", 1, MEDIAN, 1.05),
        ("ping", "ping-pong, 32 connections", "pingpong", 32, REQUESTS, 0.9),
        ("connect", "connections, one by one", "connect", 1, REQUESTS, 0.8),
        ("connect", "connections, 32 at once", "connect", 32, REQUESTS, 0.9),
    )
    return [
        Measure(
            group,
            title,
            (command, "--connections", connections),
            with_direct,
            (Target(BUSTEDWALL, metric, bound, at_most=metric is MEDIAN, against=HAPROXY),),
            metric,
            CPU_PER_REQUEST,
        )
        for group, title, command, connections, metric, bound in kinds
    ]


def _recorded() -> Iterator[Measure]:
    """Yield what a journal and metrics cost, beside the same without."""
    for title, command, connections, metric, cost in (
        ("bulk, 1 stream down", "bulk", 1, RATE, CPU_PER_GB),
        ("ping-pong, 1 connection", "pingpong", 1, MEDIAN, CPU_PER_REQUEST),
        ("ping-pong, 32 connections", "pingpong", 32, REQUESTS, CPU_PER_REQUEST),
        ("connections, one by one", "connect", 1, REQUESTS, CPU_PER_REQUEST),
        ("connections, 32 at once", "connect", 32, REQUESTS, CPU_PER_REQUEST),
    ):
        slower = metric is MEDIAN
        target = Target(RECORDED, metric, 1.05 if slower else 0.95, at_most=slower, against=BUSTEDWALL)
        options = ("--connections", connections)
        yield Measure(
            "recorded", f"recorded, {title}", (command, *options), (BUSTEDWALL, RECORDED), (target,), metric, cost
        )


def _idle(flows: int) -> Iterator[Measure]:
    for title, relay, bound in (("", BUSTEDWALL, 3), (f" that is to be idle for {PATIENCE}", PATIENT, 2)):
        yield Measure(
            "idle",
            f"memory of an idle flow{title}, {flows} flows",
            ("idle", "--connections", flows),
            (HAPROXY, relay),
            (Target(relay, MEMORY, bound, at_most=True),),
            MEMORY,
            fresh=True,
        )


def _latency(samples: int) -> Iterator[Measure]:
    for beside in (0, 100):
        title = f"latency of {DELAY_MS} ms" + (f" beside {beside} MB/s" if beside else "")
        yield Measure(
            "latency",
            title,
            ("latency", "--samples", samples, "--beside", beside),
            (SLOW,),
            (
                Target(SLOW, ERROR, 1, at_most=True, title=f"{title}, mean error"),
                Target(SLOW, SPREAD, 0.3, at_most=True, title=f"{title}, sd"),
            ),
            ERROR,
            fresh=True,
        )


def _rates() -> Iterator[Measure]:
    title = f"bandwidth of {NARROW_MB} MB/s"
    yield Measure(
        "rate",
        title,
        ("rate", "--samples", WINDOWS, "--expect", NARROW_MB),
        (NARROW,),
        (
            Target(NARROW, OFF, 1, at_most=True, title=f"{title}, error"),
            Target(NARROW, UNEVEN, 5, at_most=True, title=f"{title}, sd of 100 ms"),
        ),
        OFF,
        fresh=True,
    )
    title = f"{SHARED_MB} MB/s shared by 10 flows"
    yield Measure(
        "rate",
        title,
        ("rate", "--connections", 10, "--samples", WINDOWS, "--expect", SHARED_MB),
        (SHARED,),
        (
            Target(SHARED, OFF, 1, at_most=True, title=f"{title}, error"),
            Target(SHARED, UNFAIR, 1.2, at_most=True, title=f"{title}, most to least"),
        ),
        UNFAIR,
        fresh=True,
    )
