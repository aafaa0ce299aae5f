"""What an editor shows: every shipped file, mistakes, and what is offered, by the real yaml-language-server.

`.ci/run` installs it with npm, in .venv/npm.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.language_server import LanguageServer

from bustedwall.faults import registry

ROOT = Path(__file__).parents[2]
SHIPPED = sorted([*(ROOT / "policies").rglob("*.yaml"), *(ROOT / "configs").glob("*.yaml")])

pytestmark = pytest.mark.real("yaml-language-server, from npm")

POLICY = """\
# yaml-language-server: $schema=../../docs/schema/policy.json
version: 1
name: mine
summary: s
rules:
  - name: r
"""
MINE = ROOT / "policies" / "silence" / "mine.yaml"
"""Where the text of a test is said to be; nothing is written."""


@pytest.fixture(scope="module")
def editor() -> Iterator[LanguageServer]:
    server = LanguageServer(ROOT / ".venv" / "npm")
    yield server
    server.close()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_nothing_is_wrong_with_a_shipped_file(editor: LanguageServer, path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert editor.diagnostics(path, text) == []
    # Not because nobody looked: the schema was found.
    assert editor.diagnostics(path, f"{text}\nnonsense: 1\n")[0][1] == "Property nonsense is not allowed."


@pytest.mark.parametrize(
    ("rule", "line", "said"),
    [
        ("    do:\n      - heal\n      - rest: client\n", 9, "Property rest is not allowed."),
        ("    do: [helo]\n", 7, "expected a fault, wait or heal, or a $parameter"),
        ("    do:\n      - drop: all frm client\n", 8, "something like 'drop: all from client'"),
        ("    do:\n      - reset: {leg: client, flsh: true}\n", 8, "Property flsh is not allowed."),
        ("    do:\n      - drop: {what: all}\n", 8, 'Missing property "from".'),
        ("    do:\n      - latency: {from: client, delay: 5}\n", 8, "expected a duration such as 200ms"),
        ("    when: opn\n    do: [heal]\n", 7, "expected a moment: accept, open, applied, bytes"),
        ("    when: {byte: 1B, from: client}\n    do: [heal]\n", 7, "Property byte is not allowed."),
        ("    when: {bytes: 1B, from: clint}\n    do: [heal]\n", 7, '"client", "server"'),
        ("    when: {bytes: 1, from: client}\n    do: [heal]\n", 7, "expected a size such as 512B"),
        ("    match: {flow: {nth: 1}}\n    do: [heal]\n", 7, "Property flow is not allowed."),
        ("    match: {flows: {nth: 0}}\n    do: [heal]\n", 7, "minimum of 1"),
        ("    when: open\n", 6, 'Missing property "do".'),
    ],
)
def test_a_mistake_is_shown_on_its_line(editor: LanguageServer, rule: str, line: int, said: str) -> None:
    shown = editor.diagnostics(MINE, POLICY + rule)

    assert {at for at, _ in shown} == {line}
    assert any(said in message for _, message in shown), shown


def test_parameters_are_right_wherever_a_value_is(editor: LanguageServer) -> None:
    rule = "    when: {bytes: $n, from: $leg}\n    times: $n\n    do: [$step, {drop: $lost}, {reset: {leg: $leg}}]\n"

    assert editor.diagnostics(MINE, POLICY + rule) == []


def test_an_empty_step_is_offered_every_fault(editor: LanguageServer) -> None:
    offered = editor.completions(MINE, f"{POLICY}    do:\n      - @@\n")

    assert offered.keys() >= {*registry(), "wait", "heal"}
    for word, fault in registry().items():
        assert fault.page.summary in offered[word]


def test_a_fault_is_offered_its_short_forms_and_its_settings(editor: LanguageServer) -> None:
    short = editor.completions(MINE, f"{POLICY}    do:\n      - drop: @@\n")
    settings = editor.completions(MINE, f"{POLICY}    do:\n      - latency:\n          delay: 1s\n          @@\n")

    assert short.keys() >= {"all from client", "all to server", "acks to client"}
    assert settings["from"] == "Whose bytes are held."
    assert settings.keys() >= {"jitter", "spikes", "for"}


def test_a_moment_is_offered_by_word_and_by_form(editor: LanguageServer) -> None:
    words = editor.completions(MINE, f"{POLICY}    when: @@\n    do: [heal]\n")
    forms = editor.completions(MINE, f"{POLICY}    when:\n      @@\n    do: [heal]\n")

    assert words.keys() >= {"open", "accept", "applied"}
    assert forms.keys() >= {"bytes", "contains", "idle", "repeat", "{bytes: SIZE, from: LEG}"}


def test_a_word_says_what_it_does(editor: LanguageServer) -> None:
    shown = editor.hover(MINE, f"{POLICY}    do:\n      - re@@set: client\n")

    assert "End a leg with a RST, now." in shown
    assert "One RST|ACK, and nothing after it." in shown


def test_a_config_is_offered_the_policies_and_their_parameters(editor: LanguageServer) -> None:
    path = ROOT / "configs" / "mine.yaml"
    config = "# yaml-language-server: $schema=../docs/schema/config.json\nversion: 1\nproxies:\n"
    config += "  - name: p\n    listen: 127.0.0.1:0\n    upstream: h:1\n    policies:\n      - "

    assert editor.diagnostics(path, f"{config}slow-link\n") == []
    assert editor.diagnostics(path, f"{config}./mine.yaml\n") == []
    assert editor.completions(path, f"{config}@@\n").keys() >= {"slow-link", "gave-up-rst"}
    assert "give_up" in editor.completions(path, f"{config}gave-up-rst:\n          @@\n")
    assert [line for line, _ in editor.diagnostics(path, f"{config}slow-link: 5\n")] == [8]
