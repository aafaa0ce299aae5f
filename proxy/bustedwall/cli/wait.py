"""`bustedwall wait`: wait until something has come."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bustedwall.cli.asking import addressed, asking, tell
from bustedwall.cli.exits import Exit
from bustedwall.cli.standard import say
from bustedwall.cli.words import Words
from bustedwall.client import Client, Json, NotMetError
from bustedwall.terms.scalars import Scalar, plain
from bustedwall.terms.units import duration


def _field(text: str) -> tuple[str, Scalar]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ValueError("expected FIELD=VALUE, as in leg=client")
    return key, plain(value)


@click.command()
@click.option("--fired", metavar="POLICY[/RULE]", help="Until it has fired, --times times since it was applied.")
@click.option("--flows", type=click.IntRange(0), help="Until so many flows are open, or more.")
@click.option("--at-most", type=click.IntRange(0), help="Until so many flows are open, or fewer.")
@click.option("--fact", metavar="NAME", help="Until such a fact has come, --times times.")
@click.option("--having", multiple=True, type=Words("FIELD=VALUE", _field), help="Of the fact, as in leg=client.")
@click.option("--after", type=click.IntRange(0), help="Facts behind this number count, too; else those that come.")
@click.option("--times", type=click.IntRange(1), default=1, show_default=True)
@click.option("--proxy", metavar="NAME", help="Only of this proxy.")
@click.option("--flow", type=click.IntRange(1), help="Only facts of the flow with this number.")
@click.option("--within", type=Words("DURATION", duration), default="10s", show_default=True)
@addressed
def wait(
    fired: str | None,
    flows: int | None,
    at_most: int | None,
    fact: str | None,
    having: tuple[tuple[str, Scalar], ...],
    after: int | None,
    times: int,
    proxy: str | None,
    flow: int | None,
    within: float,
    control: str | None,
    token_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """Wait until a rule has fired, flows are open, or a fact has come. Exits with 1 if that is not in time.

    \b
    bustedwall wait --fired gave-up-rst --times 3 --within 30s
    bustedwall wait --flows 10 --proxy orders
    bustedwall wait --fact peer-lost --having leg=client --after 4711
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    counted = flows is not None or at_most is not None
    if (fired is not None) + counted + (fact is not None) != 1:
        raise click.UsageError("say what to wait for: --fired, --flows (or --at-most), or --fact")

    def told(client: Client) -> Json:
        if fired is not None:
            return client.wait_fired(fired, proxy=proxy, times=times, within=within)
        if fact is not None:
            fields = dict(having)
            return client.wait_fact(
                fact, proxy=proxy, flow=flow, times=times, after=after, within=within, having=fields
            )
        return client.wait_flows(flows, at_most=at_most, proxy=proxy, within=within)

    with asking(control, token_file) as client:
        try:
            tell(told(client), "met", as_json=as_json)
        except NotMetError as error:
            say(f"bustedwall: {error}", err=True)
            sys.exit(Exit.FINDING)
