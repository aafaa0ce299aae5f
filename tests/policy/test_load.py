from __future__ import annotations

from pathlib import Path

import pytest

from bustedwall.policy.address import Address
from bustedwall.policy.limits import WrittenLimits
from bustedwall.policy.load import load_config, load_policy
from bustedwall.policy.problem import PolicyError
from bustedwall.policy.setup import Config
from bustedwall.terms.limits import Limits

CONFIG = """\
version: 1
proxies:
  - name: web
    listen: 127.0.0.1:0
    upstream: "[::1]:80"
    policies: [slow-link, ./mine.yaml]
"""
MINE = "version: 1\nname: mine\nsummary: s\nrules:\n  - {name: r, do: [{reset: client}]}\n"


def load(tmp_path: Path, text: str = CONFIG) -> Config:
    (tmp_path / "mine.yaml").write_text(MINE)
    (tmp_path / "config.yaml").write_text(text)
    return load_config(tmp_path / "config.yaml")


def refused(path: Path) -> str:
    with pytest.raises(PolicyError) as caught:
        load_config(path)
    return str(caught.value)


def test_a_proxy_has_its_door_and_its_upstream(tmp_path: Path) -> None:
    (proxy,) = load(tmp_path).proxies
    assert (proxy.name, proxy.listen, proxy.upstream) == ("web", Address("127.0.0.1", 0), Address("::1", 80))


def test_a_proxy_has_the_rules_of_all_its_policies_in_order(tmp_path: Path) -> None:
    (proxy,) = load(tmp_path).proxies
    assert [rule.name for rule in proxy.rules] == ["slow-link/delay-both-ways", "mine/r"]


def test_a_policy_file_is_found_from_the_configs_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert load(tmp_path).proxies


def test_without_journal_and_time_scale_there_is_none_and_one(tmp_path: Path) -> None:
    config = load(tmp_path)
    assert (config.journal, config.time_scale) == (None, 1.0)


def test_a_journals_path_stays_as_it_was_written(tmp_path: Path) -> None:
    assert load(tmp_path, f"journal: run.jsonl\ntime_scale: 100\n{CONFIG}").journal == Path("run.jsonl")


def test_a_policy_may_be_used_by_two_proxies(tmp_path: Path) -> None:
    config = load(tmp_path, CONFIG + CONFIG.split("proxies:\n")[1].replace("web", "other"))
    assert config.proxies[0].rules == config.proxies[1].rules


def test_a_file_and_a_library_policy_of_the_same_name_do_not_go_together(tmp_path: Path) -> None:
    (tmp_path / "slow-link.yaml").write_text(MINE.replace("mine", "slow-link"))
    (tmp_path / "config.yaml").write_text(CONFIG.replace("mine", "slow-link"))
    assert "this proxy has policy 'slow-link' already" in refused(tmp_path / "config.yaml")


def test_mistakes_of_a_config_and_of_its_policy_files_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(MINE.replace("reset", "rest"))
    (tmp_path / "config.yaml").write_text(CONFIG.replace("listen", "lisen"))
    told = refused(tmp_path / "config.yaml")
    assert "did you mean 'listen'?" in told
    assert "did you mean 'reset'?" in told


def test_a_missing_config_is_told(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    assert refused(path) == f"{path}: error: cannot read this file: No such file or directory"


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    assert refused(tmp_path).endswith("cannot read this file: Is a directory")


def test_a_file_that_is_not_utf_8_is_told_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"version: 1\nname: \xff\n")
    assert refused(tmp_path / "x.yaml").endswith("line 2 is not UTF-8 text")


def test_an_endless_file_is_refused() -> None:
    assert refused(Path("/dev/zero")).endswith("this file is larger than 1048576 bytes")


def test_a_policy_file_alone_says_what_it_is_about(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(MINE + "symptom: {client: [send: ok], faithful: exact}\ncure: c\n")
    policy = load_policy(tmp_path / "mine.yaml")
    assert policy.symptom is not None
    assert (policy.summary, policy.symptom.client, policy.cure) == ("s", [{"send": "ok"}], "c")


DEFINED = """\
version: 1
define:
  - version: 1
    name: slow-link
    summary: Not that of the library.
    parameters: {leg: {default: client, help: h}}
    rules: [{name: r, do: [{reset: $leg}]}]
proxies:
  - name: web
    listen: 127.0.0.1:0
    upstream: "[::1]:80"
    policies: [slow-link: {leg: server}]
"""


def test_a_policy_that_the_config_defines_is_found_before_that_of_the_library(tmp_path: Path) -> None:
    (proxy,) = load(tmp_path, DEFINED).proxies
    (rule,) = proxy.rules
    assert rule.name == "slow-link/r"
    assert "server" in str(rule.steps)


def test_a_value_that_does_not_fit_a_defined_policy_is_told_where_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(DEFINED.replace("server}", "sever}"))
    told = refused(tmp_path / "config.yaml")
    assert told.startswith(
        f"{tmp_path}/config.yaml:12:33: error: proxies[0].policies[0].slow-link.leg: expected client"
    )


def test_a_defined_policy_that_nobody_uses_is_checked_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(DEFINED.replace("reset", "rest").replace("[slow-link: {leg: server}]", "[]"))
    told = refused(tmp_path / "config.yaml")
    assert "config.yaml:7:29: error: define[0].rules[0].do[0].rest: unknown step 'rest'" in told


def test_the_seed_is_as_it_was_written_or_left_open(tmp_path: Path) -> None:
    assert load(tmp_path).seed is None
    assert load(tmp_path, f"seed: 0\n{CONFIG}").seed == 0


def test_a_command_lines_time_scale_goes_before_that_of_the_config(tmp_path: Path) -> None:
    load(tmp_path, f"time_scale: 10\n{CONFIG}")
    assert load_config(tmp_path / "config.yaml").time_scale == 10
    assert load_config(tmp_path / "config.yaml", time_scale=2).time_scale == 2


def test_a_bare_name_that_is_a_file_is_answered_with_its_path(tmp_path: Path) -> None:
    load(tmp_path)
    (tmp_path / "config.yaml").write_text(CONFIG.replace("./mine.yaml", "mine"))
    assert "hint: a file is meant by a path: './mine.yaml'" in refused(tmp_path / "config.yaml")


def test_limits_of_the_command_line_go_before_those_of_a_proxy_and_these_before_those_of_the_config(
    tmp_path: Path,
) -> None:
    text = "limits: {orphan: 1s, idle: 1h, fault: 1m}\n" + CONFIG + "    limits: {orphan: 2s, idle: 2h}\n"
    assert load(tmp_path, text).proxies[0].limits == Limits(orphan=2.0, idle=7200.0, fault=60.0)
    given = load_config(tmp_path / "config.yaml", limits=WrittenLimits.model_validate({"orphan": "3s"}))
    assert given.proxies[0].limits == Limits(orphan=3.0, idle=7200.0, fault=60.0)


def test_a_proxy_tells_turns_if_it_is_to(tmp_path: Path) -> None:
    assert not load(tmp_path).proxies[0].turns
    assert load(tmp_path, f"{CONFIG}    turns: true\n").proxies[0].turns


def test_a_proxy_may_be_dry_alone_or_the_only_one_that_is_not(tmp_path: Path) -> None:
    assert not load(tmp_path).proxies[0].dry_run
    assert load(tmp_path, f"dry_run: true\n{CONFIG}").proxies[0].dry_run
    assert load(tmp_path, f"{CONFIG}    dry_run: true\n").proxies[0].dry_run
    assert not load(tmp_path, f"dry_run: true\n{CONFIG}    dry_run: false\n").proxies[0].dry_run
