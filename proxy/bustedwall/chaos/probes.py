"""What an experiment can ask of a run, for a hypothesis or in its method."""

from __future__ import annotations

from chaoslib.types import Configuration, Secrets

from bustedwall.chaos import before
from bustedwall.chaos.asking import asked
from bustedwall.client import NotMetError, Value

__all__ = [
    "fact_matched",
    "open_flows",
    "policies_in_force",
    "proxy_ready",
    "rule_effective",
    "rule_fired",
]


def rule_fired(
    rule: str,
    proxy: str | None = None,
    times: int = 1,
    within: float = 0.0,
    configuration: Configuration | None = None,
    secrets: Secrets | None = None,
) -> bool:
    """Tell whether a policy, or a rule `POLICY/RULE`, has fired so often since it was applied."""
    with asked(configuration, secrets) as client:
        try:
            client.wait_fired(rule, proxy=proxy, times=times, within=within)
        except NotMetError:
            return False
        return True


def rule_effective(
    rule: str,
    proxy: str | None = None,
    within: float = 0.0,
    configuration: Configuration | None = None,
    secrets: Secrets | None = None,
) -> bool:
    """Tell whether it fired and that had an effect: proven by the kernel's counters where that can be proven.

    With the control it is since the experiment began, else since the oldest fact that is kept.
    """
    with asked(configuration, secrets) as client:
        return client.effect(rule, proxy=proxy, after=before.number(), within=within).effective


def fact_matched(
    fact: str,
    proxy: str | None = None,
    flow: int | None = None,
    having: dict[str, Value | None] | None = None,
    times: int = 1,
    within: float = 0.0,
    configuration: Configuration | None = None,
    secrets: Secrets | None = None,
) -> bool:
    """Tell whether such facts have come, with these values of their fields; since when is as for `rule_effective`."""
    with asked(configuration, secrets) as client:
        after = before.number() or 0
        try:
            client.wait_fact(fact, proxy=proxy, flow=flow, having=having, times=times, after=after, within=within)
        except NotMetError:
            return False
        return True


def open_flows(
    proxy: str | None = None, configuration: Configuration | None = None, secrets: Secrets | None = None
) -> int:
    """Return how many flows are open, of a proxy or of all."""
    with asked(configuration, secrets) as client:
        return sum(1 for _ in client.flows(proxy))


def proxy_ready(proxy: str, configuration: Configuration | None = None, secrets: Secrets | None = None) -> bool:
    """Tell whether the run is ready and the proxy's door is open, and is not made otherwise by a fault."""
    with asked(configuration, secrets) as client:
        return client.ready() and client.proxy(proxy).get()["state"]["door"] == "open"


def policies_in_force(
    proxy: str, configuration: Configuration | None = None, secrets: Secrets | None = None
) -> list[str]:
    """Return the names of the policies that a proxy uses, in their order."""
    with asked(configuration, secrets) as client:
        return [one["policy"] for one in client.proxy(proxy).get()["policies"]]
