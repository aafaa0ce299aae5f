"""What ships: every policy of the library and every config is right and says what it should."""

from __future__ import annotations

from pathlib import Path

import pytest

from bustedwall.policy import library
from bustedwall.policy.load import load_config, load_policy, load_use

ROOT = Path(__file__).parents[2]
POLICIES = sorted((ROOT / "policies").rglob("*.yaml"))
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
FAMILIES = {"endpoints", "silence", "idle", "limits", "active"}


def test_the_library_has_every_policy_that_ships() -> None:
    assert library.names() == tuple(sorted(path.stem for path in POLICIES))


def test_the_library_finds_a_policy_by_its_name() -> None:
    assert [library.find(path.stem) for path in POLICIES] == POLICIES


@pytest.mark.parametrize("name", ["", ".", "..", "nothing", "endpoints/gave-up-rst", "../configs/demo", "*"])
def test_the_library_finds_nothing_by_another_name(name: str) -> None:
    assert library.find(name) is None


def test_each_policy_is_in_a_family() -> None:
    assert {path.parent.name for path in POLICIES} <= FAMILIES


@pytest.mark.parametrize("name", [path.stem for path in POLICIES])
def test_a_shipped_policy_loads_with_its_defaults(name: str) -> None:
    assert load_use(name)


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_a_shipped_policy_says_what_it_replays_what_is_seen_and_what_helps(path: Path) -> None:
    policy = load_policy(path)
    assert policy.replays
    assert all(source.startswith("https://") for source in policy.sources)
    assert policy.sources
    assert policy.symptom is not None
    assert policy.symptom.client
    assert policy.symptom.server
    assert policy.cure


@pytest.mark.parametrize("path", POLICIES + CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_file_says_in_its_first_line_what_it_is(path: Path) -> None:
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_loads(path: Path) -> None:
    assert load_config(path).proxies


def test_the_demo_has_a_proxy_that_breaks_nothing() -> None:
    rules = {proxy.name: len(proxy.rules) for proxy in load_config(ROOT / "configs" / "demo.yaml").proxies}
    assert rules == {"plain": 0, "reset-mid-response": 1, "slow-link": 1, "cable-pull": 1, "gave-up-rst": 1}


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_a_symptom_waits_for_rules_that_there_are(path: Path) -> None:
    policy = load_policy(path)
    assert policy.symptom is not None
    named = {call["rule"] for call in [*policy.symptom.client, *policy.symptom.server] if "rule" in call}
    assert named <= {rule.name for rule in policy.rules}
