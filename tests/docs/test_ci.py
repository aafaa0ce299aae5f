"""The recipes of docs/ci.md are what GitHub and GitLab take, by their own schemas; and their commands are ours."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bustedwall.cli.check import check
from bustedwall.cli.test import test as command

PAGE = (Path(__file__).parents[2] / "docs" / "ci.md").read_text(encoding="utf-8")
RECIPES = re.findall(r"^```yml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.real
@pytest.mark.parametrize(
    ("recipe", "schema"),
    [(0, ["vendor.github-workflows"]), (1, ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"])],
)
def test_a_recipe_is_right_by_the_schema_of_its_system(recipe: int, schema: list[str], tmp_path: Path) -> None:
    path = tmp_path / "recipe.yml"
    path.write_text(RECIPES[recipe])
    program = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *schema, str(path)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_commands_of_the_recipes_are_ours() -> None:
    assert len(RECIPES) == 2
    jobs = yaml.safe_load(RECIPES[0])["jobs"]["faults"]["steps"]
    lines = [step["run"] for step in jobs if "run" in step] + yaml.safe_load(RECIPES[1])["faults"]["script"]
    ours = [line for line in lines if line.startswith("bustedwall ")]
    assert len(ours) == 3
    for line in ours:
        _, name, *words = shlex.split(line)
        {"test": command, "check": check}[name].make_context(name, words)
