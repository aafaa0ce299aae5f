"""What an experiment can do to a run. Each returns what the run answered."""

from __future__ import annotations

from typing import Literal

from chaoslib.types import Configuration, Secrets

from bustedwall.chaos.asking import asked
from bustedwall.client import Json, Value

__all__ = [
    "apply_policy",
    "clear_policies",
    "disable_proxy",
    "enable_proxy",
    "fire_signal",
    "kill_flows",
    "panic",
    "remove_policy",
]


def apply_policy(
    proxy: str,
    policy: str,
    values: dict[str, Value] | None = None,
    seconds: float | None = None,
    flow: int | None = None,
    configuration: Configuration | None = None,
    secrets: Secrets | None = None,
) -> Json:
    """Have a proxy use a policy, with values for its parameters; it goes by itself after so many seconds."""
    with asked(configuration, secrets) as client:
        return client.proxy(proxy).apply(policy, values, span=seconds, flow=flow)


def remove_policy(
    proxy: str,
    policy: str,
    flow: int | None = None,
    configuration: Configuration | None = None,
    secrets: Secrets | None = None,
) -> None:
    """Take a policy away from a proxy; what it did is healed."""
    with asked(configuration, secrets) as client:
        client.proxy(proxy).remove(policy, flow=flow)


def clear_policies(proxy: str, configuration: Configuration | None = None, secrets: Secrets | None = None) -> Json:
    """Take all policies of a proxy away; its flows go on, healed."""
    with asked(configuration, secrets) as client:
        return client.proxy(proxy).clear()


def fire_signal(signal: str, configuration: Configuration | None = None, secrets: Secrets | None = None) -> int:
    """Fire a signal of the policies; return how many rules have heard it."""
    with asked(configuration, secrets) as client:
        return client.fire(signal)


def kill_flows(
    how: Literal["reset", "close", "vanish"] = "reset",
    proxy: str | None = None,
    flows: list[int] | None = None,
    client: str | None = None,
    configuration: Configuration | None = None,
    secrets: Secrets | None = None,
) -> int:
    """End flows, all or a selection: by number, or by their client's address or network; return how many."""
    with asked(configuration, secrets) as run:
        return run.kill(how, proxy=proxy, flows=flows, client=client)


def enable_proxy(proxy: str, configuration: Configuration | None = None, secrets: Secrets | None = None) -> Json:
    """Open a proxy's door, where it was."""
    with asked(configuration, secrets) as client:
        return client.proxy(proxy).enable()


def disable_proxy(
    proxy: str,
    drain: float | None = None,
    configuration: Configuration | None = None,
    secrets: Secrets | None = None,
) -> Json:
    """Shut a proxy's door: who comes is refused; its flows may go on for so many seconds."""
    with asked(configuration, secrets) as client:
        return client.proxy(proxy).disable(drain=drain)


def panic(configuration: Configuration | None = None, secrets: Secrets | None = None) -> Json:
    """Take all policies away, everywhere; return how many rules, faults and flows that were."""
    with asked(configuration, secrets) as client:
        return client.panic()
