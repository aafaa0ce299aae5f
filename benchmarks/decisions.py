"""What the logic of a flow costs: `python benchmarks/decisions.py`, see README.md.

Exit status: 0 all targets met, 1 not all met.
"""

from __future__ import annotations

import gc
import sys
import time
import tracemalloc
from collections.abc import Callable

from bustedwall.faults import registry
from bustedwall.flow.commons import Commons
from bustedwall.flow.flow import Flow
from bustedwall.flow.orders import RuleCalled
from bustedwall.policy.rules import Arm, AtAge, AtBytes, AtEof, AtIdle, AtSignal, AtText, Rule
from bustedwall.terms.dice import Dice
from bustedwall.terms.events import Arrived, Event, Opened, Passed
from bustedwall.terms.items import Bytes
from bustedwall.terms.leg import Leg

MOST_MICROSECONDS = 15.0
MOST_BYTES = 1500

ROUNDS = 9
DECISIONS = 4000
FLOWS = 2000

CHUNK = bytes(range(64))
FAR = 1 << 50

COMMONS = Commons(Dice.seeded(0))


def fault(text: str) -> Arm:
    word, _, rest = text.partition(" ")
    kind = registry()[word]
    return Arm(kind.model_validate(kind.long_form(rest)))


CALLED = Rule("bench/called", AtSignal("go"), (fault("drop all from client"),))
MOVED = (
    Rule("bench/bytes", AtBytes(Leg.SERVER, FAR), (fault("reset client"),)),
    Rule("bench/age", AtAge(1e9), (fault("reset client"),)),
    Rule("bench/idle", AtIdle(1e9), (fault("reset client"),)),
    Rule("bench/eof", AtEof(Leg.CLIENT), (fault("latency 1s from client"),)),
    CALLED,
)
"""Five rules that wait, and let the relay move bytes on its own."""
LOOKED = (*MOVED[:-1], Rule("bench/text", AtText(Leg.CLIENT, b"never"), (fault("reset client"),)))
"""Five rules that wait; one of them has every chunk of the client looked at."""


def opened(rules: tuple[Rule, ...]) -> Flow:
    flow = Flow(rules, commons=COMMONS)
    flow.handle(Opened(), 0.0)
    return flow


def decide(flow: Flow, event: Event | RuleCalled, now: float) -> None:
    """Ask what the relay asks for one event."""
    flow.handle(event, now)
    for leg in Leg:
        flow.passage(leg)
    flow.deadline()


def microseconds(rules: tuple[Rule, ...], event: Event | RuleCalled, *, anew: int) -> float:
    """Return the CPU time of a decision in the quietest of several rounds; after so many a flow is made anew."""
    rounds = []
    gc.disable()
    for _ in range(ROUNDS):
        flows = [opened(rules) for _ in range(DECISIONS // anew)]
        now, begin = 0.0, time.thread_time()
        for flow in flows:
            for _ in range(anew):
                now += 1e-4
                decide(flow, event, now)
        rounds.append((time.thread_time() - begin) / DECISIONS * 1e6)
    gc.enable()
    return min(rounds)


def bytes_of(make: Callable[[], Flow]) -> float:
    """Return what a flow's logic occupies, Python's own share included."""
    make()
    gc.collect()
    tracemalloc.start()
    flows = [None] * FLOWS
    before = tracemalloc.get_traced_memory()[0]
    kept = [make() for _ in flows]
    used = (tracemalloc.get_traced_memory()[0] - before) / FLOWS
    tracemalloc.stop()
    assert len(kept) == FLOWS
    return used


def main() -> int:
    """Measure, print, judge."""
    moved = Passed(Leg.SERVER, 64)
    looked = Arrived(Leg.CLIENT, Bytes(CHUNK))
    times = {
        "bytes that the relay moved": microseconds(MOVED, moved, anew=1000),
        "a chunk that a rule looks at": microseconds(LOOKED, looked, anew=1000),
        "a rule fires and arms a loss": microseconds(MOVED, RuleCalled(CALLED), anew=1),
    }
    sizes = {
        "without rules": bytes_of(lambda: Flow(commons=COMMONS)),
        "without rules, open": bytes_of(lambda: opened(())),
    }
    five = bytes_of(lambda: opened(LOOKED))
    for what, value in times.items():
        print(f"decision with 5 rules, {what}: {value:.1f} us, wanted <= {MOST_MICROSECONDS:.0f}")
    for what, value in sizes.items():
        print(f"logic of a flow {what}: {value:.0f} B, wanted <= {MOST_BYTES}")
    print(f"logic of a flow with 5 rules that wait: {five:.0f} B")
    met = max(times.values()) <= MOST_MICROSECONDS and max(sizes.values()) <= MOST_BYTES
    print("met" if met else "NOT MET")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
