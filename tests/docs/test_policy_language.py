"""Each line of each table of docs/policy-language.md is loaded, or refused with the message that it shows."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter

from bustedwall.faults import registry
from bustedwall.policy.config_model import ConfigFile, WrittenProxy
from bustedwall.policy.limits import WrittenLimits
from bustedwall.policy.load import config_of, load_typed
from bustedwall.policy.matching import WrittenFlows, WrittenMatch
from bustedwall.policy.missing import Terms
from bustedwall.policy.model import PolicyFile, Symptom, WrittenParameter, WrittenRule
from bustedwall.policy.parse import parse
from bustedwall.policy.problem import PolicyError
from bustedwall.policy.rules import Rule
from bustedwall.policy.template import read
from bustedwall.policy.written_moments import FORMS, WORDS
from bustedwall.terms.units import Duration, Fraction, Rate, Size

PAGE = (Path(__file__).parents[2] / "docs" / "policy-language.md").read_text(encoding="utf-8")
TABLE = re.compile(r"(?:^<!-- (.*) -->\n)?((?:^\|.*\n)+)", re.MULTILINE)
SPAN = re.compile(r"`([^`]+)`")

RULE = {"name": "now", "do": [{"reset": "client"}]}
POLICY = {"version": 1, "name": "late-reset", "summary": "s", "rules": [RULE]}
PROXY = {"name": "web", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:80"}
CONFIG = {"version": 1, "proxies": [PROXY]}


@dataclass(frozen=True)
class Row:
    """A line of a table: what is said above the table, and the code in its cells."""

    kind: str
    cells: tuple[tuple[str, ...], ...]


def rows() -> Iterator[Row]:
    for marker, table in TABLE.findall(PAGE):
        for line in table.splitlines()[2:]:
            cells = re.split(r"(?<!\\)\|", line.strip("|"))
            yield Row(marker, tuple(tuple(SPAN.findall(cell.replace("\\|", "|"))) for cell in cells))


ROWS = [row for row in rows() if row.kind]


def examples(kind: str) -> list[tuple[str, str]]:
    """Return the examples in the first cells of all tables of a kind, with what is said above each table."""
    chosen = [(row.kind, code) for row in ROWS if row.kind.startswith(kind) for code in row.cells[0]]
    assert chosen
    return chosen


def codes(kind: str) -> list[str]:
    """Return these examples alone."""
    return [code for _, code in examples(kind)]


def load_policy(policy: object) -> tuple[Rule, ...]:
    document = parse(policy if isinstance(policy, str) else json.dumps(policy), "x.yaml")
    return read(document).bind({}, document.place(()), Terms()).rules


def load_rule(rule: str) -> Rule:
    name = "" if "name:" in rule else "name: r, "
    head, other = "version: 1\nname: x\nsummary: s\nrules:\n  - {", "  - {name: other, do: [{reset: client}]}\n"
    loaded, _ = load_policy(head + name + rule.strip()[1:] + "\n" + other)
    return loaded


def load_config(config: object, folder: Path = Path()) -> None:
    config_of(parse(json.dumps(config), "c.yaml"), folder)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's files in it."""
    monkeypatch.chdir(tmp_path)
    for text, name in re.findall(r"```yaml\n(# ([\w.-]+)\n.*?)```", PAGE, re.DOTALL):
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(("template", "code"), examples("rule: "))
def test_a_part_of_a_rule_is_read(template: str, code: str) -> None:
    assert load_rule(template.removeprefix("rule: ").replace("EXAMPLE", code))


def test_short_and_long_forms_mean_the_same() -> None:
    pairs = [row.cells for row in ROWS if row.kind == "pair"]
    assert pairs
    for (short,), (long,) in pairs:
        assert load_rule(f"{{do: [{short}]}}") == load_rule(f"{{do: [{long}]}}")


@pytest.mark.parametrize(("kind", "code"), examples("key of "))
def test_a_key_is_read(kind: str, code: str) -> None:
    given: dict[str, Any] = yaml.safe_load(f"{{{code}}}" if ", " in code else code)
    match kind.removeprefix("key of a "):
        case "policy":
            assert load_policy({**POLICY, **given})
        case "rule":
            assert load_policy({**POLICY, "rules": [{**RULE, **given}]})
        case "config":
            load_config({**CONFIG, **given})
        case "proxy":
            load_config({**CONFIG, "proxies": [{**PROXY, **given}]})
        case "limit":
            load_config({**CONFIG, "limits": given})
        case "parameter":
            rule = {"name": "r", "do": [{"wait": "$x"}, {"reset": "client"}]}
            parameter = {"default": "5s", "help": "h", **given}
            assert load_policy({**POLICY, "parameters": {"x": parameter}, "rules": [rule]})
        case other:
            raise AssertionError(other)


@pytest.mark.parametrize("code", codes("use"))
def test_a_use_of_a_policy_is_read(code: str, folder: Path) -> None:
    load_config({**CONFIG, "proxies": [{**PROXY, "policies": [yaml.safe_load(code)]}]}, folder)


@pytest.mark.parametrize("code", codes("typed"))
@pytest.mark.usefixtures("folder")
def test_a_command_line_is_read(code: str) -> None:
    words = shlex.split(code)
    given: dict[str, list[str]] = {"--policy": [], "--fault": [], "--when": []}
    for option, value in zip(words[::2], words[1::2], strict=True):
        given[option].append(value)
    assert load_typed(given["--policy"], given["--fault"], next(iter(given["--when"]), None)).rules


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind == "refused"], ids=lambda row: row.cells[1][0])
def test_a_mistake_is_refused_with_the_message_shown(row: Row) -> None:
    (mistake,), (message,) = row.cells
    with pytest.raises(PolicyError) as caught:
        load_rule(mistake)
    assert [problem.message.startswith(message) for problem in caught.value.problems].count(True) == 1


def test_values_are_what_their_line_says() -> None:
    kinds: dict[str, Any] = {"time": Duration, "size": Size, "rate": Rate, "share": Fraction}
    table = next(table for marker, table in TABLE.findall(PAGE) if marker == "value")
    lines = {line.strip("| ").partition(" ")[0]: SPAN.findall(line) for line in table.splitlines()[2:]}
    assert lines.keys() == kinds.keys()
    for word, values in lines.items():
        for value in values:
            assert TypeAdapter(kinds[word]).validate_python(value) > 0


def test_every_table_is_tested() -> None:
    kinds = {row.kind.partition(":")[0] for row in ROWS}
    keys = {f"key of a {thing}" for thing in ("policy", "rule", "config", "proxy", "limit", "parameter")}
    assert kinds == {*keys, "rule", "pair", "use", "typed", "refused", "value"}
    # The last one says what JSON has in it; tests/cli/test_check.py has that.
    assert sum(not marker for marker, _ in TABLE.findall(PAGE)) == 1


def words_of(*kinds: str) -> set[str]:
    return set(re.findall(r"\w+", " ".join(code for kind in kinds for code in codes(kind))))


@pytest.mark.parametrize(
    ("models", "kinds"),
    [
        ([PolicyFile, Symptom], ["key of a policy"]),
        ([WrittenRule], ["key of a rule"]),
        ([WrittenMatch, WrittenFlows], ["rule: {match"]),
        ([WrittenParameter], ["key of a parameter"]),
        ([ConfigFile], ["key of a config"]),
        ([WrittenProxy], ["key of a proxy"]),
        ([WrittenLimits], ["key of a limit"]),
        (list(FORMS.values()), ["rule: {when"]),
    ],
)
def test_every_key_has_a_line(models: list[type[BaseModel]], kinds: list[str]) -> None:
    keys = {field.alias or name for model in models for name, field in model.model_fields.items()}
    assert keys <= words_of(*kinds)


def test_every_moment_and_every_fault_has_a_line() -> None:
    assert {*WORDS, *FORMS, *registry(), "wait", "heal"} <= words_of("rule: ")


def test_every_reason_to_refuse_what_cannot_mean_anything_has_a_line() -> None:
    """A reason is a `yield` in policy/sense.py, or the one of policy/together.py."""
    folder = Path(__file__).parents[2] / "proxy" / "bustedwall" / "policy"
    reasons = len(re.findall(r"yield (?!from)", (folder / "sense.py").read_text(encoding="utf-8")))
    reasons -= len(re.findall(r"yield i$", (folder / "sense.py").read_text(encoding="utf-8"), re.MULTILINE))
    listed = PAGE.partition("This is the whole list:")[2].partition("The last holds")[0]
    assert listed.count("\n| `{") == reasons + 1
