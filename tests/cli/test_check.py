"""`bustedwall check`: three ways to be told the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bustedwall.cli.main import main

POLICY = "version: 1\nname: mine\nsummary: s\nrules: [{name: r, do: [{reset: client}]}]\n"
CONFIG = """\
version: 1
proxies:
  - {name: web, listen: "127.0.0.1:0", upstream: "127.0.0.1:80", policies: [./mine.yaml]}
"""


def check(*words: str) -> Result:
    return CliRunner().invoke(main, ["check", *words])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(POLICY)
    Path("config.yaml").write_text(CONFIG)
    return tmp_path


def test_what_is_right_ends_with_0_and_says_nothing_on_stdout() -> None:
    result = check("mine.yaml", "config.yaml")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "2 files checked: no mistake\n")


def test_a_mistake_ends_with_1_and_is_told_once_however_often_its_file_is_used() -> None:
    Path("mine.yaml").write_text(POLICY.replace("reset", "rest"))
    result = check("mine.yaml", "config.yaml", "mine.yaml")
    assert result.exit_code == 1
    assert result.stdout == (
        "mine.yaml:4:25: error: rules[0].do[0].rest: unknown step 'rest'\n"
        " 4 | rules: [{name: r, do: [{rest: client}]}]\n"
        "   |                         ^~~~\n"
        "   = hint: did you mean 'reset'?\n"
    )
    assert result.stderr == "3 files checked: 1 mistake\n"


def test_for_programs_it_is_json() -> None:
    Path("mine.yaml").write_text(POLICY.replace("reset", "rest"))
    result = check("--format", "json", "mine.yaml", "none.yaml")
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert told["problems"] == [
        {
            "file": "mine.yaml",
            "line": 4,
            "column": 25,
            "end_column": 29,
            "path": "rules[0].do[0].rest",
            "message": "unknown step 'rest'",
            "hint": "did you mean 'reset'?",
        },
        {
            "file": "none.yaml",
            "line": None,
            "column": None,
            "end_column": None,
            "path": "",
            "message": "cannot read this file: No such file or directory",
            "hint": "",
        },
    ]


def test_for_github_it_is_workflow_commands() -> None:
    # As actions/toolkit/packages/core/src/command.ts escapes: % CR LF in the message, : and , too in properties.
    Path("a,b.yaml").write_text(POLICY.replace("reset", "re%st").replace("name: mine", "name: 'a,b'"))
    result = check("--format", "github", "a,b.yaml", "none.yaml")
    unknown = "rules[0].do[0]['re%25st']: unknown step 're%25st'"
    assert result.stdout.splitlines() == [
        "::error file=a%2Cb.yaml,line=2,col=7::name: a policy's name has a-z, 0-9 and '-' only, got 'a,b'",
        f"::error file=a%2Cb.yaml,line=4,col=25::{unknown}%0Ahint: did you mean 'reset'?",
        "::error file=none.yaml::cannot read this file: No such file or directory",
    ]


def test_no_text_of_a_file_can_be_a_command_of_its_own() -> None:
    Path("mine.yaml").write_text(POLICY.replace("reset", '"x\\n::set-output name=x::y\\e[2J"'))
    lines = check("--format", "github", "mine.yaml").stdout.splitlines()
    assert len(lines) == 1
    assert lines[0].isprintable()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version: 1\nproxis: []\n", "unknown key 'proxis'"),
        ("version: 1\nrulse: []\n", "unknown key 'rulse'"),
        ("version: 1\n", "this is neither a policy nor a config"),
        ("- 1\n", "expected a policy or a config, got a list"),
        ("version: 1\nsummary: s\nproxies: []\nrules: []\n", "unknown key 'proxies'"),
    ],
)
def test_what_a_file_is_shows_in_what_it_holds(text: str, told: str) -> None:
    Path("x.yaml").write_text(text)
    result = check("x.yaml")
    assert result.exit_code == 1
    assert told in result.stdout


def test_without_a_file_the_command_line_is_wrong() -> None:
    result = check()
    assert result.exit_code == 2
    assert "Missing argument 'FILE…'" in result.stderr
