"""`bustedwall schema`: what an editor has to know to complete and to check what users write."""

from __future__ import annotations

import click

from bustedwall.policy.schema import SCHEMAS, text_of


@click.command()
@click.argument("what", type=click.Choice(list(SCHEMAS)), default="policy")
def schema(what: str) -> None:
    """Print the JSON Schema of a policy file, or of a config file.

    An editor that speaks to yaml-language-server takes it from the first line of the YAML:

    \b
    bustedwall schema policy > policy.schema.json
    # yaml-language-server: $schema=./policy.schema.json
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    click.echo(text_of(SCHEMAS[what]()), nl=False)
