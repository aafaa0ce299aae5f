"""`bustedwall policies`: what each policy of the library replays, from its file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from bustedwall.cli.layout import columns, listing, paragraph, section
from bustedwall.policy import library
from bustedwall.policy.keys import in_yaml
from bustedwall.policy.load import load_policy
from bustedwall.policy.model import PolicyFile, WrittenParameter
from bustedwall.policy.parse import parse
from bustedwall.policy.words import suggestion


@dataclass(frozen=True, slots=True)
class _Entry:
    """One file of the library."""

    path: Path
    file: PolicyFile

    @property
    def family(self) -> str:
        """The folder that it lies in."""
        return self.path.parent.name

    def text(self) -> str:
        """Return the file, word for word."""
        return self.path.read_text(encoding="utf-8")

    def as_json(self) -> dict[str, object]:
        """Return the file as data, and where it is."""
        data = parse(self.text(), str(self.path)).data
        assert isinstance(data, dict)
        return {"family": self.family, "file": str(self.path), **data}


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
def policies(name: str | None, *, as_json: bool) -> None:
    """List the policies of the library, or tell all about the one called NAME.

    \b
    bustedwall policies
    bustedwall policies cable-pull
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    names = library.names()
    if name is not None and name not in names:
        raise click.UsageError(f"the library has no policy '{name}'; {suggestion(name, names)}")
    paths = [path for known in names if name in (None, known) and (path := library.find(known)) is not None]
    entries = [_Entry(path, load_policy(path)) for path in paths]
    if as_json:
        shown = [entry.as_json() for entry in entries]
        click.echo(json.dumps(shown if name is None else shown[0], indent=2, ensure_ascii=False))
    elif name is None:
        for family in sorted({entry.family for entry in entries}):
            of_family = [entry for entry in entries if entry.family == family]
            click.echo(f"{family}\n{columns([(entry.file.name, entry.file.summary) for entry in of_family])}\n")
        click.echo("`bustedwall policies NAME` tells more of one.")
    else:
        click.echo(_page(entries[0]), nl=False)


def _page(entry: _Entry) -> str:
    file = entry.file
    parts = [
        ("Replays", listing(file.replays)),
        ("Parameters", _parameters(file.parameters)),
        ("Rules", _rules(entry.text())),
        ("Symptom", _symptom(file)),
        ("Cure", paragraph(file.cure) if file.cure else ""),
        ("Sources", listing(file.sources)),
        ("Use", _use(file)),
        ("File", f"  {entry.path}"),
    ]
    return f"{file.name}\n{paragraph(file.summary)}\n" + "".join(section(title, body) for title, body in parts)


def _parameters(parameters: Mapping[str, WrittenParameter]) -> str:
    rows = []
    for name, parameter in parameters.items():
        notes = [f"default {in_yaml(parameter.default)}"]
        if parameter.choices:
            notes.append(f"one of: {', '.join(in_yaml(choice) for choice in parameter.choices)}")
        if parameter.scale:
            notes.append("the default is divided by time_scale")
        rows.append((name, f"{parameter.help}; {'; '.join(notes)}"))
    return columns(rows)


def _rules(text: str) -> str:
    """Return the rules as the file has them, comments too: up to the next key of the file or a comment before it."""
    found = re.search(r"^rules:.*\n((?:(?:[ -].*)?\n)*)", text, re.MULTILINE)
    assert found, "a policy has rules, and a file of the library writes them as a block"
    return found[1].rstrip()


def _symptom(file: PolicyFile) -> str:
    if file.symptom is None:
        return ""
    sides = {"client": file.symptom.client, "server": file.symptom.server}
    given = file.symptom.given.model_dump(mode="json", exclude_none=True)
    limits = ", ".join(f"{name.upper()} {value}" for name, value in given.items())
    rows = [("given", f"{limits} at the client")] if limits else []
    rows += [(side, _calls(calls)) for side, calls in sides.items() if calls]
    return columns([*rows, ("faithful", file.symptom.faithful)])


def _calls(calls: list[dict[str, str]]) -> str:
    return ", ".join(f"{call}: {result}" for each in calls for call, result in each.items())


def _use(file: PolicyFile) -> str:
    values = [f"{name}={in_yaml(parameter.default)}" for name, parameter in file.parameters.items()]
    policy = f"{file.name}:{','.join(values)}" if values else file.name
    quoted = f"'{policy}'" if " " in policy else policy
    return f"  bustedwall run --listen 127.0.0.1:0 --upstream HOST:PORT \\\n      --policy {quoted}"
