"""docs/library is what the policy files say, and its commands are commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from bustedwall.cli.main import main
from bustedwall.cli.pages import INDEX
from bustedwall.policy import library
from bustedwall.policy.load import load_use

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "library"
NAMES = (INDEX, *library.FAMILIES)


def read(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def test_each_family_has_its_folder_and_its_page() -> None:
    assert {path.name for path in library.folder().iterdir() if path.is_dir()} == set(library.FAMILIES)
    assert {path.stem for path in PAGES.iterdir()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_made_from_the_files(name: str) -> None:
    told = CliRunner().invoke(main, ["policies", "--markdown", name])

    assert told.exit_code == 0
    assert read(name) == told.stdout, "run: make docs"


@pytest.mark.parametrize("path", sorted(library.folder().glob("*/*.yaml")), ids=lambda path: path.stem)
def test_a_policys_section_tells_all_that_its_file_says(path: Path) -> None:
    file = yaml.safe_load(path.read_text(encoding="utf-8"))
    section = read(path.parent.name).partition(f"\n## {path.stem}\n")[2].partition("\n## ")[0]

    for text in (file["summary"], *file["replays"], file["symptom"]["faithful"], file["cure"], *file["sources"]):
        assert text in section
    for name, parameter in file.get("parameters", {}).items():
        assert f"| `{name}` | `{parameter['default']}` |" in section
    for side in ("client", "server"):
        for call in file["symptom"].get(side, []):
            assert all(f"{does}: {result}" in section for does, result in call.items())


@pytest.mark.parametrize("family", library.FAMILIES)
def test_each_command_of_a_page_runs_its_policy(family: str) -> None:
    blocks = re.findall(r"^```text\n(.*?)^```$", read(family), re.MULTILINE | re.DOTALL)
    words = [shlex.split(block.replace("\\\n", " ")) for block in blocks]

    uses = [line[line.index("--policy") + 1] for line in words]
    assert [use.partition(":")[0] for use in uses] == re.findall(r"^## (.*)$", read(family), re.MULTILINE)
    for line, use in zip(words, uses, strict=True):
        assert load_use(use)
        assert line[:4] == ["bustedwall", "run", "--listen", "127.0.0.1:0"]
        assert ("--command-file" in line) == ("signal" in line)


def test_the_readme_calls_the_families_as_the_library_does() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert re.findall(r"^\| \*\*(.*)\*\* \| \| \|$", readme, re.MULTILINE) == list(library.FAMILIES.values())


def test_how_to_write_a_policy_names_the_families() -> None:
    page = (ROOT / "policies" / "README.md").read_text(encoding="utf-8")

    assert all(f"`{family}`" in page for family in library.FAMILIES)
