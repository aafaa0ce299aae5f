"""How to try a policy: the commands, and what they ask of the machine."""

from __future__ import annotations

import shlex

from bustedwall.policy.load import load_use
from bustedwall.policy.rules import Arm, AtSignal, Rule
from bustedwall.terms.needs import Ability


def commands(use: str) -> list[str]:
    """Return the lines of a shell that run a policy, `NAME[:key=value,…]`; raises PolicyError.

    Where the policy waits for a signal, the last lines fire it, from another terminal.
    """
    signals = _signals(load_use(use))
    fifo = "--command-file commands " if signals else ""
    return [
        "bustedwall run --listen 127.0.0.1:0 --upstream HOST:PORT \\",
        f"    {fifo}--policy {shlex.quote(use)}",
        *(f"echo signal {signal} > commands" for signal in signals),
    ]


def privileges(use: str) -> tuple[str, ...]:
    """Return the capabilities that a kernel may ask for a policy, such as CAP_NET_ADMIN; raises PolicyError."""
    faults = [step.fault for rule in load_use(use) for step in rule.steps if isinstance(step, Arm)]
    asked = {ability.privilege for fault in faults for ability in fault.needs()}
    return tuple(capability for capability in PRIVILEGES if capability in asked)


PRIVILEGES = tuple(sorted({ability.privilege for ability in Ability if ability.privilege is not None}))
"""Every capability that a policy may need."""


def _signals(rules: tuple[Rule, ...]) -> list[str]:
    # A `wait` cannot wait for a signal, only a rule's `when`.
    return list(dict.fromkeys(rule.when.name for rule in rules if isinstance(rule.when, AtSignal)))
