"""`bustedwall panic`: take all policies away."""

from __future__ import annotations

from pathlib import Path

import click

from bustedwall.cli.asking import addressed, asking, tell


@click.command()
@addressed
def panic(control: str | None, token_file: Path | None, *, as_json: bool) -> None:
    """Take all policies away, at once and everywhere; what they did is healed, and flows go on.

    \b
    bustedwall panic
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    with asking(control, token_file) as client:
        told = client.panic()
    tell(told, f"{told['rules']} rules, {told['faults']} faults on {told['flows']} flows taken away", as_json=as_json)
