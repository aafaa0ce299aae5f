"""`bustedwall faults`: what each fault does, from its class."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import click

from bustedwall.cli.layout import columns, listing, paragraph, section
from bustedwall.faults import built_in, registry
from bustedwall.faults.example import read_example
from bustedwall.faults.fault import WAYS, Fault
from bustedwall.policy.keys import in_yaml, keys_of
from bustedwall.policy.words import either, suggestion
from bustedwall.terms.needs import Ability, way_to


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a fault's mapping."""

    key: str
    takes: str
    default: str | None
    """As a user writes it; None: there is none."""
    required: bool
    about: str

    def sentence(self) -> str:
        """Return all but the key in one line."""
        default = "required" if self.required else f"default {self.default}" if self.default else "optional"
        return f"{self.takes}; {default}. {self.about}"


@dataclass(frozen=True, slots=True)
class About:
    """All that is told of a fault; its fields are the keys of `--json`."""

    word: str
    summary: str
    examples: tuple[str, ...]
    wire: str
    client: str
    server: str
    healing: str
    settings: tuple[Setting, ...]
    needs: dict[str, list[str]]
    """By ability: the examples that need it; empty: nothing is needed."""
    instead: dict[str, str]
    """By example: what is done with `on_missing: approximate` where its need is not met."""
    faithful: str
    source: str

    @classmethod
    def of(cls, fault: type[Fault]) -> About:
        """Return what a fault's class says."""
        page = fault.page
        examples = {example: read_example(fault, example) for example in page.examples}
        needs: dict[str, list[str]] = {}
        instead: dict[str, str] = {}
        for example, one in examples.items():
            for ability in sorted(ability.value for ability in one.needs()):
                needs.setdefault(ability, []).append(example)
            if one.needs() and (other := one.approximation()) is not None:
                word, _, rest = str(other).partition(" ")
                instead[example] = f"{word}: {rest}" if rest else word
        return cls(
            word=fault.word,
            summary=page.summary,
            examples=page.examples,
            wire=page.wire,
            client=page.client,
            server=page.server,
            healing=page.healing,
            settings=_settings(fault),
            needs=needs,
            instead=instead,
            faithful=page.faithful,
            source=page.source,
        )

    def needed(self) -> str:
        """Return a sentence about what it needs of the kernel."""
        if not self.needs:
            return "nothing."
        told = [
            f"`{ability}`" if len(examples) == len(self.examples) else f"`{ability}` for {_listed(examples)}"
            for ability, examples in self.needs.items()
        ]
        instead = [f"`{example}` becomes `{other}`" for example, other in self.instead.items()]
        without = f" Without it, and with `on_missing: approximate`, {', '.join(instead)}." if instead else ""
        guarded: dict[str, list[str]] = {}
        for ability in self.needs:
            if capability := Ability(ability).privilege:
                guarded.setdefault(capability, []).append(f"`{ability}`")
        asked = [f"Kernels may ask {way_to(each)} for {' and '.join(whose)}" for each, whose in guarded.items()]
        price = "; ".join(asked) or "No privilege"
        return f"{'; '.join(told)}. {price}; `bustedwall doctor` tries it.{without}"


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
@click.option("--markdown", is_flag=True, hidden=True, help="Print docs/faults.md.")
def faults(name: str | None, *, as_json: bool, markdown: bool) -> None:
    """List the faults, or tell all about the one called NAME.

    \b
    bustedwall faults
    bustedwall faults drop
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    known = built_in() if markdown else registry()
    if name is not None and name not in known:
        raise click.UsageError(f"there is no fault '{name}'; {suggestion(name, known)}")
    told = [About.of(fault) for word, fault in known.items() if name in (None, word)]
    if markdown:
        click.echo(_markdown(told), nl=False)
    elif as_json:
        shown = [asdict(about) for about in told]
        click.echo(json.dumps(shown if name is None else shown[0], indent=2, ensure_ascii=False))
    elif name is None:
        click.echo(columns([(about.word, about.summary) for about in told]))
        click.echo("\n`bustedwall faults NAME` tells more of one.")
    else:
        click.echo(_page(told[0]), nl=False)


def _settings(fault: type[Fault]) -> tuple[Setting, ...]:
    keys = keys_of(fault)
    first = (fault.value, *WAYS)
    found = [
        Setting(
            key=key,
            takes=_takes(told),
            default=in_yaml(told["default"]) if "default" in told else None,
            required=key in keys.get("required", ()),
            about=told.get("description", ""),
        )
        for key, told in keys["properties"].items()
    ]
    return tuple(sorted(found, key=lambda s: first.index(s.key) if s.key in first else len(first) + (s.key == "for")))


def _takes(told: dict[str, object]) -> str:
    match told:
        case {"enum": [*words]}:
            return either(str(word) for word in words)
        case {"title": str(title)}:
            return title
        case {"properties": dict(keys)}:
            return f"a mapping with {' and '.join(map(str, keys))}"
        case {"type": "boolean"}:
            return "true or false"
        case {"type": "integer", "minimum": least}:
            return f"a whole number from {least}"
    return _PLAIN.get(str(told.get("type")), "what `bustedwall schema policy` says")


_PLAIN = {"integer": "a whole number", "number": "a number", "string": "a text"}
"""Of settings that only faults of other packages have."""


def _listed(examples: list[str]) -> str:
    return ", ".join(f"`{example}`" for example in examples)


def _sections(about: About) -> list[tuple[str, str]]:
    """Return the page's paragraphs, under their titles."""
    return [
        ("On the wire", about.wire),
        ("The client", about.client),
        ("The server", about.server),
        ("When it ends", about.healing),
        ("Needs", about.needed()),
        ("Faithful", about.faithful),
        ("Source", about.source),
    ]


def _page(about: About) -> str:
    settings = columns([(setting.key, setting.sentence()) for setting in about.settings])
    head = f"{about.word}\n{paragraph(about.summary)}\n"
    body = section("Examples", listing(about.examples)) + section("Settings", settings)
    return head + body + "".join(section(title, paragraph(text) if text else "") for title, text in _sections(about))


def _markdown(told: list[About]) -> str:
    lines = [
        "# The faults",
        "",
        "What each fault does, what is on the wire, and what each side's calls return.",
        "`bustedwall faults NAME` shows the same in a terminal.",
        "How faults act together is told in [composition.md](composition.md).",
        "",
        "<!-- Made from the classes in proxy/bustedwall/faults: make docs -->",
        "",
        "| fault | |",
        "|---|---|",
        *(f"| [`{about.word}`](#{about.word}) | {_cell(about.summary)} |" for about in told),
    ]
    for about in told:
        lines += ["", f"## {about.word}", "", about.summary, ""]
        lines += [f"- `{example}`" for example in about.examples]
        lines += ["", "| setting | takes | default | |", "|---|---|---|---|"]
        for setting in about.settings:
            default = "required" if setting.required else f"`{setting.default}`" if setting.default else ""
            lines.append(f"| `{setting.key}` | {_cell(setting.takes)} | {default} | {_cell(setting.about)} |")
        for title, text in _sections(about):
            if text:
                lines += ["", f"**{title}:** {text}"]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
