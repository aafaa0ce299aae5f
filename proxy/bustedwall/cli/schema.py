"""`bustedwall schema`: what an editor has to know of files, and a program of the journal."""

from __future__ import annotations

import click

from bustedwall.policy.schema import SCHEMAS, text_of
from bustedwall.record.page import page
from bustedwall.record.schema import facts_schema
from bustedwall.suite.report.as_json import schema as report_schema
from bustedwall.suite.schema import suite_schema

_SCHEMAS = {**SCHEMAS, "suite": suite_schema, "facts": facts_schema, "report": report_schema}


@click.command()
@click.argument("what", type=click.Choice(list(_SCHEMAS)), default="policy")
@click.option("--markdown", is_flag=True, hidden=True, help="Print docs/facts.md.")
def schema(what: str, *, markdown: bool) -> None:
    """Print the JSON Schema of a policy, a config, a suite, a line of the journal, or the report of a suite.

    An editor that speaks to yaml-language-server takes it from the first line of the YAML:

    \b
    bustedwall schema policy > policy.schema.json
    # yaml-language-server: $schema=./policy.schema.json
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    click.echo(page() if markdown and what == "facts" else text_of(_SCHEMAS[what]()), nl=False)
