"""`bustedwall fire`: fire a signal of the policies."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bustedwall.cli.asking import addressed, asking, tell
from bustedwall.cli.exits import Exit


@click.command()
@click.argument("signal")
@addressed
def fire(signal: str, control: str | None, token_file: Path | None, *, as_json: bool) -> None:
    """Fire a signal, for rules with `when: {signal: NAME}`. Exits with 1 if no rule waits for it.

    \b
    bustedwall fire go-down
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    with asking(control, token_file) as client:
        rules = client.fire(signal)
    tell({"signal": signal, "rules": rules}, f"{rules} rules have heard '{signal}'", as_json=as_json)
    sys.exit(Exit.OK if rules else Exit.FINDING)
