"""docs/facts.md, from the classes of the facts."""

from __future__ import annotations

import re

from bustedwall.record.schema import KINDS, Schema, envelope, fields_of, summary_of, theme_of

_HEAD = """\
# The facts

What happened, as bustedwall saw it: who connected, which rule fired, what the kernel counted.
`--journal FILE`, or `journal:` in a config, appends every fact to a file, as a line of JSON.
Whoever follows the file has a fact some milliseconds after it was true, and never before.

```json
{"schema": 1, "at": "2026-11-25T10:20:30.040117+00:00", "proxy": "orders", "flow": 1, "fact": "reset-sent", \
"leg": "client", "cause": "gave-up-rst/lose-then-reset"}
```

[schema/facts.json](schema/facts.json) is the JSON Schema of a line; `bustedwall schema facts` prints it.
`schema` in each line is its version: it changes when a program that reads the lines of today would misread them.
A fact or a field may be added without that, so pass over what you do not know.

To rotate the journal, rename it and send SIGHUP: it is opened anew by its name, and no line is lost or torn.
It may also be a pipe made by `mkfifo`, with or without somebody who reads.

No flow ever waits for the journal.
Facts wait for a disk that is full, hangs or is too slow, up to 4 MiB of them; what comes then is dropped and counted.
stderr says so once, `journal-troubled`; the journal itself says how many are missing, in their place, `facts-dropped`.
A process that is killed with SIGKILL loses what it had recorded in its last milliseconds.

On stderr the same facts are text on a terminal, and the same lines of JSON elsewhere (`--log text`, `--log json`),
without the daily life of flows unless `-v` asks for it.
There a line that is no fact, because the program warns of something, has `level` and `message` in place of `fact`,
and `traceback` if it has one.

<!-- Made from the classes in proxy/bustedwall/terms/facts: make docs -->

## What every line has
"""


def page() -> str:
    """Return the page."""
    lines = [_HEAD, *_table({**envelope(), "fact": {"type": "string", "description": "Which fact it is."}})]
    for theme in dict.fromkeys(map(theme_of, KINDS)):
        lines += ["", f"## {re.split('[.:,]', theme)[0]}"]
        for kind in (kind for kind in KINDS if theme_of(kind) == theme):
            lines += ["", f"### {kind.name}", "", summary_of(kind)]
            if fields := fields_of(kind):
                lines += ["", *_table(fields)]
    return "\n".join(lines) + "\n"


def _table(fields: dict[str, Schema]) -> list[str]:
    rows = [f"| `{name}` | {_kind(field)} | {field['description']} |" for name, field in fields.items()]
    return ["| field | is | |", "|---|---|---|", *rows]


_KINDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "list of text",
    "null": "null",
}


def _kind(field: Schema) -> str:
    if "enum" in field:
        return ", ".join("null" if word is None else f"`{word}`" for word in field["enum"])
    if "const" in field:
        return str(field["const"])
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return " or ".join(_KINDS[kind] for kind in kinds)
