"""`bustedwall policies`: what each policy of the library replays, from its file."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import click

from bustedwall.cli.entries import Entry, entries, parameter_notes
from bustedwall.cli.layout import columns, listing, paragraph, section
from bustedwall.cli.pages import INDEX, page
from bustedwall.cli.trying import PRIVILEGES
from bustedwall.policy import library
from bustedwall.policy.words import suggestion

NONE = "none"
"""What `--needs` calls no privilege."""


@click.command()
@click.argument("name", required=False)
@click.option("--family", type=click.Choice(list(library.FAMILIES)), help="Only the policies of this family.")
@click.option("--needs", type=click.Choice([NONE, *PRIVILEGES]), help="Only those that need this, or nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
@click.option("--markdown", type=click.Choice([INDEX, *library.FAMILIES]), hidden=True, help="A page of docs/library.")
def policies(name: str | None, family: str | None, needs: str | None, *, as_json: bool, markdown: str | None) -> None:
    """List the policies of the library, or tell all about the one called NAME.

    \b
    bustedwall policies
    bustedwall policies --family idle --needs none
    bustedwall policies cable-pull

    In the list the privilege that a kernel may ask for it stands behind a name; '-' is none.
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    names = library.names()
    if name is not None and name not in names:
        raise click.UsageError(f"the library has no policy '{name}'; {suggestion(name, names)}")
    if name is not None and (family or needs):
        raise click.UsageError("--family and --needs choose from the list; a NAME is one policy")
    if markdown is not None:
        click.echo(page(markdown, list(entries(names))), nl=False)
        return
    if name is not None:
        (one,) = entries((name,))
        click.echo(json.dumps(one.as_json(), indent=2, ensure_ascii=False) if as_json else _page(one), nl=as_json)
        return
    chosen = [entry for entry in entries(names) if family in (None, entry.family) and _answers(entry, needs)]
    if as_json:
        click.echo(json.dumps([entry.as_json() for entry in chosen], indent=2, ensure_ascii=False))
    else:
        click.echo(_list(chosen))


def _answers(entry: Entry, needs: str | None) -> bool:
    return needs is None or (not entry.privileges if needs == NONE else needs in entry.privileges)


def _list(chosen: Sequence[Entry]) -> str:
    if not chosen:
        return "No policy is so."
    width = max(len(entry.file.name) for entry in chosen)
    parts = []
    for family, what in library.FAMILIES.items():
        rows = [
            (f"{entry.file.name:<{width}}  {_needs(entry)}", entry.file.summary)
            for entry in chosen
            if entry.family == family
        ]
        if rows:
            parts.append(f"{family}: {what}\n{columns(rows, widest=48)}\n")
    return "\n".join([*parts, "`bustedwall policies NAME` tells more of one."])


def _needs(entry: Entry) -> str:
    return " ".join(privilege.removeprefix("CAP_") for privilege in entry.privileges) or "-"


def _page(entry: Entry) -> str:
    file = entry.file
    parameters = [
        (name, f"{parameter.help}; {parameter_notes(parameter)}") for name, parameter in file.parameters.items()
    ]
    faithful = [("faithful", file.symptom.faithful)] if file.symptom else []
    parts = [
        ("Replays", listing(file.replays)),
        ("Parameters", columns(parameters)),
        ("Rules", _rules(entry.text())),
        ("Symptom", columns([*entry.sides(), *faithful])),
        ("Needs", paragraph(entry.needed())),
        ("Cure", paragraph(file.cure) if file.cure else ""),
        ("Sources", listing(file.sources)),
        ("Use", "\n".join(f"  {line}" for line in entry.commands())),
        ("File", f"  {entry.path}"),
    ]
    return f"{file.name}\n{paragraph(file.summary)}\n" + "".join(section(title, body) for title, body in parts)


def _rules(text: str) -> str:
    """Return the rules as the file has them, comments too: up to the next key of the file or a comment before it."""
    found = re.search(r"^rules:.*\n((?:(?:[ -].*)?\n)*)", text, re.MULTILINE)
    assert found, "a policy has rules, and a file of the library writes them as a block"
    return found[1].rstrip()
