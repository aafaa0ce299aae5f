"""`bustedwall status`: what a run does now."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from bustedwall.cli.asking import addressed, asking, tell
from bustedwall.cli.exits import Exit
from bustedwall.cli.standard import is_terminal, say
from bustedwall.client import Client, Json

_EACH = 1.0
"""Seconds between two looks."""

_CLEAR = "\x1b[H\x1b[2J"
"""ECMA-48: to the upper left corner, and the page is empty."""


@click.command()
@click.option("--watch", is_flag=True, help="Look again each second, until Ctrl-C.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing; the exit code says whether the doors are open.")
@addressed
def status(control: str | None, token_file: Path | None, *, watch: bool, quiet: bool, as_json: bool) -> None:
    """Tell what a run does now: its proxies, their policies and flows.

    Exits with 0 if clients can come, with 1 if the run is about to end.

    \b
    bustedwall status
    bustedwall status --watch
    bustedwall status --json --control unix:/run/bustedwall/control
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    with asking(control, token_file) as client:
        while True:
            ready = client.ready()
            if not quiet:
                _show(client, ready=ready, alone=watch and not as_json, as_json=as_json)
            if not watch:
                sys.exit(Exit.OK if ready else Exit.FINDING)
            time.sleep(_EACH)


def _show(client: Client, *, ready: bool, alone: bool, as_json: bool) -> None:
    proxies = client.proxies()
    if alone and is_terminal(sys.stdout):
        say(_CLEAR.rstrip("\n"))
    lines = [] if ready else ["about to end"]
    for one in proxies:
        lines += _proxy(one)
    tell({"ready": ready, "proxies": proxies}, "\n".join(lines), as_json=as_json)


def _proxy(one: Json) -> list[str]:
    state = one["state"]
    where = state["address"] or f"{state['listen']} (shut)"
    door = "" if state["door"] in ("open", "shut") else f"  door {state['door']}"
    lines = [f"{one['name']}  {where} to {state['upstream']}  {state['open']} of {state['admitted']} flows open{door}"]
    for policy in one["policies"]:
        values = ", ".join(f"{key}={value}" for key, value in policy["values"].items())
        on = f" on flow {policy['flow']}" if policy["flow"] else ""
        left = f", {policy['ends_in']:.1f}s more" if policy["ends_in"] is not None else ""
        lines.append(f"  {policy['policy']}{f' ({values})' if values else ''}{on}{left}")
    if state["cleared"]:
        lines.append("  cleared: its policies were taken away")
    return lines
