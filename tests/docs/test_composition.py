"""Each conversation of docs/composition.md is what the flow says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.flow.told import tell

from bustedwall.policy.load import load_use

PAGE = (Path(__file__).parents[2] / "docs" / "composition.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(# ([\w-]+)\.yaml\n.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)


def test_each_section_has_an_example() -> None:
    assert len(EXAMPLES) >= PAGE.count("\n## ")


@pytest.mark.parametrize(("policy", "name", "conversation"), EXAMPLES, ids=[name for _, name, _ in EXAMPLES])
def test_a_conversation_is_what_the_flow_says(policy: str, name: str, conversation: str, tmp_path: Path) -> None:
    file = tmp_path / f"{name}.yaml"
    file.write_text(policy, encoding="utf-8")

    assert tell(load_use(str(file)), conversation).splitlines() == conversation.rstrip().splitlines()
