from __future__ import annotations

from pathlib import Path

import pytest

from bustedwall.faults.drop import DropFault
from bustedwall.faults.reset import ResetFault
from bustedwall.policy.load import config_of, load_use
from bustedwall.policy.parse import parse
from bustedwall.policy.problem import PolicyError
from bustedwall.policy.rules import Arm, AtBytes, Rule, Wait

POLICY = """\
version: 1
name: mine
summary: s
parameters:
  after: {default: 1B, help: h}
  pause: {default: 5s, scale: true, help: h}
  rest: {default: 8s, help: h}
  leg: {default: client, choices: [client, both], help: h}
  flush: {default: false, help: h}
rules:
  - name: r
    when: {bytes: $after, from: server}
    do:
      - wait: $pause
      - wait: $rest
      - reset: {leg: $leg, flush: $flush}
"""


@pytest.fixture(autouse=True)
def _mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.yaml").write_text(POLICY)
    monkeypatch.chdir(tmp_path)


def config(values: str, time_scale: float = 1) -> tuple[Rule, ...]:
    text = f"""\
version: 1
time_scale: {time_scale}
proxies:
  - name: web
    listen: 127.0.0.1:0
    upstream: 127.0.0.1:80
    policies: [{{./mine.yaml: {values}}}]
"""
    return config_of(parse(text, "config.yaml"), Path()).proxies[0].rules


def refused(values: str, time_scale: float = 1) -> str:
    with pytest.raises(PolicyError) as caught:
        config(values, time_scale)
    return str(caught.value)


def waits(rule: Rule) -> list[float]:
    return [step.until for step in rule.steps if isinstance(step, Wait)]


def reset_of(rule: Rule) -> tuple[str, bool]:
    fault = rule.steps[-1].fault if isinstance(rule.steps[-1], Arm) else None
    assert isinstance(fault, ResetFault)
    return fault.leg.value, fault.flush


def test_without_values_the_defaults_hold() -> None:
    (rule,) = config("{}")
    assert isinstance(rule.when, AtBytes)
    assert (rule.when.count, waits(rule), reset_of(rule)) == (1, [5.0, 8.0], ("client", False))


def test_a_value_takes_the_place_of_the_default() -> None:
    (rule,) = config("{after: 2kB, rest: 1s, leg: both}")
    assert isinstance(rule.when, AtBytes)
    assert (rule.when.count, waits(rule), reset_of(rule)) == (2000, [5.0, 1.0], ("both", False))


def test_a_value_keeps_its_type() -> None:
    assert reset_of(config("{flush: true}")[0]) == ("client", True)


def test_time_scale_divides_the_defaults_marked_scale_only() -> None:
    assert waits(config("{}", 100)[0]) == [0.05, 8.0]


def test_a_value_that_the_user_wrote_is_never_scaled() -> None:
    assert waits(config("{pause: 2s}", 100)[0]) == [2.0, 8.0]


@pytest.mark.parametrize("time_scale", [3, 0.1, 1e6, 1e-6])
def test_any_scale_gives_the_quotient(time_scale: float) -> None:
    assert waits(config("{}", time_scale)[0])[0] == pytest.approx(5.0 / time_scale)


def test_a_wrong_value_is_told_where_the_user_wrote_it() -> None:
    assert "config.yaml:7:37: error: proxies[0].policies[0]['./mine.yaml'].rest: a duration needs" in refused(
        "{rest: 5}"
    )


def test_a_value_that_is_none_of_the_choices_is_refused() -> None:
    assert "expected client or both, got 'server'" in refused("{leg: server}")


def test_true_is_not_the_choice_1(tmp_path: Path) -> None:
    text = POLICY.replace("choices: [client, both]", "choices: [client, 1]")
    (tmp_path / "mine.yaml").write_text(text)
    assert "expected client or 1, got true" in refused("{leg: true}")


def test_all_wrong_values_are_told() -> None:
    told = refused("{after: 0B, pause: soon, rest: 5, leg: server, speed: 9}")
    assert told.count("error:") == 5


def test_values_that_do_not_fit_together_are_told_at_the_use(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "version: 1\nname: mine\nsummary: s\nparameters: {pause: {default: 1h, scale: true, help: h}}\n"
        "rules:\n  - {name: r, do: [{latency: {delay: $pause, from: client}}]}\n"
    )
    told = refused("{}", 0.5)
    assert "config.yaml:7:17: error: proxies[0].policies[0]['./mine.yaml']: 'mine' is wrong with these values" in told
    assert "this must be at most 1h" in told


def test_a_command_line_gives_values_with_spaces_and_colons() -> None:
    (rule,) = load_use("gave-up-rst:lost=all to client,give_up=1.5s")
    assert rule.steps[0] == Arm(DropFault.model_validate({"what": "all", "to": "client"}))
    assert waits(rule) == [1.5]


def test_a_value_on_a_command_line_is_never_scaled() -> None:
    assert waits(load_use("gave-up-rst:give_up=2s", 10)[0]) == [2.0]
    assert waits(load_use("gave-up-rst", 10)[0]) == [0.5]


def test_a_command_line_may_name_a_file() -> None:
    assert load_use("./mine.yaml:flush=true")[0].name == "mine/r"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there is no policy ''"),
        ("gave-up-rts", "did you mean 'gave-up-rst'?"),
        ("gave-up-rst:", "expected PARAMETER=VALUE, got ''"),
        ("gave-up-rst:give_up", "expected PARAMETER=VALUE, got 'give_up'"),
        ("gave-up-rst:=5s", "expected PARAMETER=VALUE, got '=5s'"),
        ("gave-up-rst:give_up=1s,give_up=2s", "--policy:1:24: error: gave-up-rst.give_up: 'give_up' is given twice"),
        ("gave-up-rst:give_up=5", "--policy:1:21: error: gave-up-rst.give_up: a duration needs a unit"),
        ("gave-up-rst:give_up=a:b", "got 'a:b'"),
        ("gave-up-rst:give_up=\udcff", "the value of 'give_up' is not UTF-8 text"),
        ("./nowhere.yaml", "cannot read nowhere.yaml: No such file or directory"),
        ("./zero\0.yaml", "cannot read"),
    ],
)
def test_a_mistake_on_a_command_line_is_told(text: str, told: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load_use(text)
    assert told in str(caught.value)
