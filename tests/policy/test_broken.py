"""Every kind of mistake, told word by word: `broken/NAME.yaml` is answered by `broken/NAME.txt`."""

from __future__ import annotations

from pathlib import Path

import pytest

from bustedwall.policy.load import load_config, load_policy
from bustedwall.policy.problem import PolicyError

BROKEN = Path(__file__).parent / "broken"


@pytest.mark.parametrize("name", sorted(path.stem for path in BROKEN.glob("*.yaml")))
def test_a_mistake_is_told_where_it_is_and_what_would_be_right(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BROKEN)
    load = load_config if name.startswith("config-") else load_policy
    with pytest.raises(PolicyError) as caught:
        load(Path(f"{name}.yaml"))
    assert f"{caught.value}\n" == (BROKEN / f"{name}.txt").read_text()


def test_each_expected_message_belongs_to_a_file() -> None:
    assert {path.stem for path in BROKEN.glob("*.txt")} == {path.stem for path in BROKEN.glob("*.yaml")}
