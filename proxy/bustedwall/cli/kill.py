"""`bustedwall kill`: end flows of a run."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bustedwall.cli.asking import addressed, asking, tell, which
from bustedwall.cli.exits import Exit
from bustedwall.client import How


@click.command()
@click.argument("flows", nargs=-1, type=click.IntRange(1))
@click.option("--all", "everything", is_flag=True, help="All flows, of all proxies or of --proxy.")
@click.option("--how", type=click.Choice(["reset", "close", "vanish"]), default="reset", show_default=True)
@click.option("--proxy", metavar="NAME", help="Only flows of this proxy.")
@click.option("--client", "network", metavar="ADDRESS", help="Only of clients there, as in 10.0.0.0/8.")
@addressed
def kill(
    flows: tuple[int, ...],
    how: How,
    proxy: str | None,
    network: str | None,
    control: str | None,
    token_file: Path | None,
    *,
    everything: bool,
    as_json: bool,
) -> None:
    """End flows, by their numbers or all: both legs by RST, by FIN, or without a segment.

    Ends with 1 where a number is that of no open flow.

    \b
    bustedwall kill 17 18
    bustedwall kill --all --how vanish
    bustedwall kill --client 10.0.0.0/8
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    if bool(flows) + everything + (network is not None and not flows) != 1:
        raise click.UsageError("say which flows: their numbers, --client, or --all")
    with asking(control, token_file) as client:
        where = which(client, proxy) if flows else proxy
        killed = client.kill(how, proxy=where, flows=flows or None, client=network)
    missing = len(set(flows)) - killed
    said = f"{killed} flows ended" + (f", {missing} were not there" if missing > 0 else "")
    tell({"killed": killed}, said, as_json=as_json)
    if missing > 0:
        sys.exit(Exit.FINDING)
