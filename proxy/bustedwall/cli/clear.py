"""`bustedwall clear`: take policies away from a run's proxies."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bustedwall.cli.asking import addressed, asking, tell
from bustedwall.cli.exits import Exit


@click.command()
@click.argument("policy", required=False)
@click.option("--proxy", metavar="NAME", help="Only from this proxy; else from all.")
@click.option("--flow", type=click.IntRange(1), help="The policy that was applied to this flow alone.")
@addressed
def clear(
    policy: str | None,
    proxy: str | None,
    flow: int | None,
    control: str | None,
    token_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """Take a policy away, or all of them; what they did is healed, and flows go on.

    Ends with 1 where no proxy has the policy.

    \b
    bustedwall clear
    bustedwall clear slow-link --proxy orders
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    if policy is None and flow is not None:
        raise click.UsageError("--flow goes with a POLICY")
    taken: dict[str, list[str]] = {}
    with asking(control, token_file) as client:
        names = [proxy] if proxy is not None else [one["name"] for one in client.proxies()]
        for name in names:
            there = [(one["policy"], one["flow"]) for one in client.proxy(name).get()["policies"]]
            if policy is None:
                client.proxy(name).clear()
                taken[name] = [used for used, _ in there]
            elif proxy is not None or (policy, flow) in there:
                client.proxy(name).remove(policy, flow=flow)
                taken[name] = [policy]
    lines = [f"{name}: {', '.join(used) or 'nothing'} taken away" for name, used in taken.items()]
    tell(taken, "\n".join(lines) or f"no proxy has policy '{policy}'", as_json=as_json)
    if policy is not None and not taken:
        sys.exit(Exit.FINDING)
