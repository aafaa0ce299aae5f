"""`bustedwall faults` and `bustedwall policies`: every page, and docs/faults.md."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from bustedwall.cli.entries import entries
from bustedwall.cli.faults import About
from bustedwall.cli.main import main
from bustedwall.faults import registry
from bustedwall.policy import library
from bustedwall.policy.load import load_use
from bustedwall.policy.rules import Arm
from bustedwall.policy.told import meanings

ROOT = Path(__file__).parents[2]


def bustedwall(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def told(*words: str) -> str:
    result = bustedwall(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def flat(text: str) -> str:
    return " ".join(text.split())


def too_wide(text: str) -> list[str]:
    """Return the lines that do not fit and could be broken: a path, an address and a rule cannot."""
    fixed = ("- http", "/", "- ")
    return [line for line in text.splitlines() if len(line) > 80 and not line.strip().startswith(fixed)]


@pytest.mark.parametrize("word", registry())
def test_a_faults_page_tells_all_that_its_class_says(word: str) -> None:
    fault = registry()[word]
    page = told("faults", word)

    assert not too_wide(page)
    for text in (fault.page.summary, fault.page.wire, fault.page.client, fault.page.server, fault.page.healing):
        assert text in flat(page)
    for text in (fault.page.faithful, fault.page.source, *fault.page.examples):
        assert text in flat(page)
    meant = meanings(fault)
    for name, field in fault.model_fields.items():
        assert f"\n  {field.alias or name} " in page
        assert flat(meant[name]) in flat(page)


def test_a_setting_is_told_with_its_unit_and_its_default() -> None:
    page = flat(told("faults", "latency"))

    assert "delay a duration such as 200ms, 1.5s or 5m; required. How long" in page
    assert "spike a duration such as 200ms, 1.5s or 5m; default 1s. How much longer." in page
    assert "distribution normal or uniform; default normal." in page
    assert "for a duration such as 200ms, 1.5s or 5m; optional. How long the fault lasts" in page


def test_what_a_fault_needs_is_told_and_what_takes_its_place() -> None:
    assert "Needs nothing." in flat(told("faults", "reset"))
    vanish = flat(told("faults", "vanish"))
    assert "Needs `vanish`. No privilege; `bustedwall doctor` tries it." in vanish
    assert "with `on_missing: approximate`, `vanish: client` becomes `reset: client`" in vanish


def test_the_lists_name_everything() -> None:
    faults, policies = told("faults"), told("policies")

    assert not too_wide(faults + policies)
    for word, fault in registry().items():
        assert f"  {word} " in faults
        assert fault.page.summary in flat(faults)
    for name in library.names():
        path = library.find(name)
        assert path is not None
        assert f"  {name} " in policies
        assert flat(yaml.safe_load(path.read_text(encoding="utf-8"))["summary"]) in flat(policies)


def test_the_list_of_policies_is_by_family_with_what_each_needs() -> None:
    listed = told("policies")

    assert re.search(r"^  cable-pull +-  ", listed, re.MULTILINE)
    assert re.search(r"^  pmtu-blackhole +NET_ADMIN  ", listed, re.MULTILINE)
    families = re.findall(r"^(\w+): (.*)$", listed, re.MULTILINE)
    assert dict(families) == library.FAMILIES


@pytest.mark.long("four seconds")
@pytest.mark.timeout(120)
def test_policies_are_chosen_by_family_and_by_what_they_need() -> None:
    def chosen(*words: str) -> set[str]:
        return {policy["name"] for policy in json.loads(told("policies", "--json", *words))}

    every = chosen()
    assert chosen("--family", "idle") == {path.stem for path in (library.folder() / "idle").glob("*.yaml")}
    assert chosen("--needs", "none") | chosen("--needs", "CAP_NET_ADMIN") | chosen("--needs", "CAP_NET_RAW") == every
    assert "pmtu-blackhole" in chosen("--needs", "CAP_NET_ADMIN", "--family", "silence")
    assert "pmtu-blackhole" not in chosen("--needs", "none")
    assert chosen("--needs", "CAP_NET_ADMIN", "--family", "idle") == set()
    assert told("policies", "--needs", "CAP_NET_ADMIN", "--family", "idle") == "No policy is so.\n"
    assert " cable-pull " not in told("policies", "--family", "idle")


def test_what_a_policy_needs_is_what_its_faults_need() -> None:
    for entry in entries(library.names()):
        rules = load_use(entry.file.name)
        needs = {
            ability for rule in rules for step in rule.steps if isinstance(step, Arm) for ability in step.fault.needs()
        }
        assert set(entry.privileges) == {ability.privilege for ability in needs if ability.privileged}


def test_a_name_is_not_chosen_from_the_list() -> None:
    result = bustedwall("policies", "cable-pull", "--needs", "none")

    assert result.exit_code == 2
    assert "a NAME is one policy" in flat(result.stderr)


def about(page: str, key: str, file: dict[str, dict[str, str]]) -> str:
    """Return what a page says of one parameter."""
    section = page.partition("\nParameters\n")[2].partition("\n\n")[0]
    _, _, after = f"\n{section}".partition(f"\n  {key} ")
    later = [f"\n  {other} " for other in file["parameters"] if f"\n  {other} " in after]
    return after.partition(later[0])[0] if later else after


@pytest.mark.parametrize("name", library.names())
def test_a_policys_page_tells_all_that_its_file_says(name: str) -> None:
    path = library.find(name)
    assert path is not None
    file = yaml.safe_load(path.read_text(encoding="utf-8"))
    page = told("policies", name)
    rules = page.partition("\nRules\n")[2].partition("\n\nSymptom\n")[0]

    assert not too_wide(page.replace(rules, ""))
    for text in (file["summary"], *file["replays"], *file["sources"], file["symptom"]["faithful"], file["cure"]):
        assert flat(text) in flat(page)
    assert yaml.safe_load(rules) == file["rules"]
    for key, parameter in file.get("parameters", {}).items():
        assert f"{flat(parameter['help'])}; default {parameter['default']}" in flat(page)
        assert parameter.get("scale", False) == ("divided by time_scale" in flat(about(page, key, file)))
    assert str(path) in page
    assert "\nNeeds\n" in page


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["faults", "dorp"], "there is no fault 'dorp'; did you mean 'drop'?"),
        (["faults", "qqq"], "there is no fault 'qqq'; known here: "),
        (["policies", "--family", "idel"], "'idel' is not one of 'endpoints', 'silence'"),
        (["policies", "cable-pul"], "the library has no policy 'cable-pul'; did you mean 'cable-pull'?"),
        (["schema", "polcy"], "'polcy' is not one of 'policy', 'config'"),
    ],
)
def test_an_unknown_name_ends_with_2_and_names_the_nearest(words: list[str], hint: str) -> None:
    result = bustedwall(*words)

    assert result.exit_code == 2
    assert hint in flat(result.stderr)
    assert not result.stdout


def test_json_has_the_same_for_one_and_for_all() -> None:
    every = json.loads(told("faults", "--json"))

    assert [about["word"] for about in every] == list(registry())
    assert json.loads(told("faults", "drop", "--json")) in every
    assert json.loads(json.dumps(every)) == every


def test_json_of_a_policy_is_its_file() -> None:
    path = library.find("gave-up-rst")
    assert path is not None
    policy = json.loads(told("policies", "gave-up-rst", "--json"))

    assert policy == {
        "family": "endpoints",
        "file": str(path),
        "needs": [],
        **yaml.safe_load(path.read_text(encoding="utf-8")),
    }
    assert [policy["name"] for policy in json.loads(told("policies", "--json"))] == list(library.names())


def test_the_page_of_the_faults_is_made_from_the_classes() -> None:
    committed = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")

    assert committed == told("faults", "--markdown"), "run: make docs"


def test_every_setting_says_what_it_takes_and_what_it_is() -> None:
    for fault in registry().values():
        for setting in About.of(fault).settings:
            assert setting.takes
            assert setting.about.endswith(".")
            assert "\n" not in setting.about


def test_the_schema_is_printed_whole() -> None:
    for what in ("policy", "config"):
        assert told("schema", what) == (ROOT / "docs" / "schema" / f"{what}.json").read_text(encoding="utf-8")
    assert told("schema") == told("schema", "policy")
