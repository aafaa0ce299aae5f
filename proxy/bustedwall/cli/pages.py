"""docs/library: a page for each family of policies, and one that lists them all."""

from __future__ import annotations

from collections.abc import Sequence

from bustedwall.cli.entries import Entry
from bustedwall.policy import library
from bustedwall.policy.keys import in_yaml

INDEX = "index"
"""What the page that lists all policies is called."""

_MADE = "<!-- Made from the files in policies/: make docs -->"


def page(name: str, every: Sequence[Entry]) -> str:
    """Return the page of a family, or the index, in Markdown."""
    if name == INDEX:
        return _index(every)
    return _family(name, [entry for entry in every if entry.family == name])


def _index(every: Sequence[Entry]) -> str:
    lines = [
        "# The library",
        "",
        "Every policy that comes with bustedwall, by family.",
        "`bustedwall policies` lists the same in a terminal, and `bustedwall policies NAME` tells all of one.",
        "`bustedwall explain TEXT` goes from an error text to the policies that bring it.",
        "How to write one is told in [policies/README.md](../../policies/README.md).",
        "",
        _MADE,
    ]
    for family, what in library.FAMILIES.items():
        lines += ["", f"## [{what}]({family}.md)", "", "| policy | needs | |", "|---|---|---|"]
        lines += [
            f"| [`{entry.file.name}`]({family}.md#{entry.file.name}) | {', '.join(entry.privileges) or '-'} "
            f"| {_cell(entry.file.summary)} |"
            for entry in every
            if entry.family == family
        ]
    return "\n".join(lines) + "\n"


def _family(family: str, entries: Sequence[Entry]) -> str:
    lines = [
        f"# {library.FAMILIES[family]}",
        "",
        f"The family `{family}` of [the library](index.md).",
        "What each call gives is asserted by `tests/sockets/test_shipped.py` on real sockets.",
        "What real clients say is in [symptoms.md](../symptoms.md).",
        "",
        _MADE,
    ]
    for entry in entries:
        lines += ["", f"## {entry.file.name}", "", *_policy(entry)]
    return "\n".join(lines) + "\n"


def _policy(entry: Entry) -> list[str]:
    file = entry.file
    lines = [file.summary]
    if file.replays:
        lines += ["", "**Replays:**", "", *(f"- {each}" for each in file.replays)]
    if file.parameters:
        lines += ["", "| parameter | default | scaled | |", "|---|---|---|---|"]
        for name, parameter in file.parameters.items():
            of = f"; one of {', '.join(f'`{in_yaml(choice)}`' for choice in parameter.choices)}"
            lines.append(
                f"| `{name}` | `{in_yaml(parameter.default)}` | {'yes' if parameter.scale else ''} "
                f"| {_cell(parameter.help)}{of if parameter.choices else ''} |"
            )
    lines += ["", "```text", *entry.commands(), "```"]
    if sides := entry.sides():
        lines += ["", "| side | call by call |", "|---|---|", *(f"| {side} | `{calls}` |" for side, calls in sides)]
    if file.symptom is not None:
        lines += ["", f"**Faithful:** {file.symptom.faithful}"]
    lines += ["", f"**Needs:** {entry.needed()}"]
    if file.cure:
        lines += ["", f"**Cure:** {file.cure}"]
    if file.sources:
        lines += ["", f"**Sources:** {', '.join(f'<{source}>' for source in file.sources)}"]
    return [*lines, "", f"[The file](../../policies/{entry.family}/{entry.path.name})"]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
