"""`bustedwall facts`: what a run has recorded."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bustedwall.cli.asking import addressed, asking, tell
from bustedwall.client import Json

_ENVELOPE = ("schema", "at", "proxy", "flow", "fact", "number")


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Print also what comes, until the run ends.")
@click.option("--after", type=click.IntRange(0), help="Only behind the fact with this number.")
@click.option("--proxy", metavar="NAME", help="Only of this proxy.")
@click.option("--flow", type=click.IntRange(1), help="Only of flows with this number.")
@click.option("--fact", metavar="NAME,…", help="Only these, as in rule-fired,peer-lost.")
@addressed
def facts(
    after: int | None,
    proxy: str | None,
    flow: int | None,
    fact: str | None,
    control: str | None,
    token_file: Path | None,
    *,
    follow: bool,
    as_json: bool,
) -> None:
    """Print the facts that a run has recorded last, 10,000 at most; docs/facts.md has them all.

    \b
    bustedwall facts --fact rule-fired
    bustedwall facts --follow --proxy orders --json
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    with asking(control, token_file) as client:
        if follow:
            found = client.follow(after=after or 0, proxy=proxy, flow=flow, fact=fact)
        else:
            found = client.facts(after=after, proxy=proxy, flow=flow, fact=fact)
        for one in found:
            tell(one, _line(one), as_json=as_json)


def _line(fact: Json) -> str:
    if "missed" in fact:
        return f"{fact['missed']} facts are missing here"
    where = (fact["proxy"] or "-") + (f"#{fact['flow']}" if fact["flow"] else "")
    fields = " ".join(f"{key}={_value(value)}" for key, value in fact.items() if key not in _ENVELOPE)
    return f"{fact['at'][11:23]} {where} {fact['fact']} {fields}".rstrip()


def _value(value: object) -> str:
    return value if isinstance(value, str) and value and " " not in value else json.dumps(value, ensure_ascii=False)
