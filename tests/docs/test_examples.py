"""Every example of README and docs is run here; one that this file does not know fails."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest
import yaml
from tests.relay.peers import until
from tests.web import web_server

from bustedwall.faults import registry
from bustedwall.policy import library
from bustedwall.policy.load import load_config, load_policy
from bustedwall.policy.problem import PolicyError
from bustedwall.policy.schema import SCHEMAS
from bustedwall.suite.plan import is_suite, load_suite
from bustedwall.suite.schema import suite_schema

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "policies" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
README = PAGES[0].read_text(encoding="utf-8")

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [
        text for page in PAGES for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language
    ]


def named(text: str) -> str:
    """Return the file name that the first line of a YAML example gives."""
    match = re.match(r"# ([\w.-]+\.yaml)", text)
    assert match, f"name the file on the first line of:\n{text}"
    return match[1]


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """A folder with all YAML examples under their names."""
    for text in blocks("yaml"):
        (tmp_path / named(text)).write_text(text, encoding="utf-8")
    return tmp_path


def test_every_yaml_example_loads(examples: Path) -> None:
    for path in sorted(examples.iterdir()):
        if is_suite(path):
            load_suite(path)
        elif "proxies" in yaml.safe_load(path.read_text()):
            load_config(path)
        else:
            load_policy(path)


def test_every_yaml_example_is_one_for_an_editor_too(examples: Path) -> None:
    made = {name: jsonschema.Draft7Validator(make()) for name, make in {**SCHEMAS, "suite": suite_schema}.items()}
    for path in sorted(examples.iterdir()):
        document = yaml.safe_load(path.read_text())
        schema = made["suite" if is_suite(path) else "config" if "proxies" in document else "policy"]
        assert not [error.message for error in schema.iter_errors(document)]


def test_the_mistake_in_the_readme_is_told_as_the_readme_says(examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(examples)
    config = Path("staging.yaml")
    config.write_text(config.read_text().replace("give_up: 2s", "giveup: 2s"))

    with pytest.raises(PolicyError) as told:
        load_config(config)

    assert str(told.value).strip() in README


def test_the_readme_names_every_fault_and_every_policy() -> None:
    for word in registry():
        assert f"`{word}: " in README
    for name in library.names():
        path = library.find(name)
        assert path is not None
        assert f"[`{name}`](policies/{path.relative_to(library.folder())})" in README


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_what_a_shell_example_asks_for_is_run_by_ci() -> None:
    """The make targets and .ci/run itself; anything else needs a test of its own here."""
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for line in "".join(blocks("sh")).splitlines():
        command = line.partition("#")[0].strip()
        assert command == ".ci/run" or command in ci, command


def consoles() -> tuple[str, str]:
    """Return the two console examples of the README: the proxy, and curl."""
    proxy, curl = (text for kind, text in BLOCK.findall(README) if kind == "console")
    return proxy, curl


@contextmanager
def running_example(upstream: int, *more: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Run the README's proxy, with its ports replaced by free ones."""
    command, said = consoles()[0].strip().splitlines()
    words = command.removeprefix("$ bustedwall ").replace(":8081", ":0").replace(":8080", f":{upstream}").split()
    process = subprocess.Popen(
        [sys.executable, "-m", "bustedwall", *words, "--drain", "0s", "--log", "text", *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        pattern = re.escape(said).replace("8081", r"(\d+)")
        match = re.fullmatch(pattern, line.strip())
        assert match, line
        yield int(match[1]), process
    finally:
        process.terminate()
        process.communicate(timeout=50)


@pytest.mark.real("curl")
def test_the_proxy_and_the_curl_of_the_readme_say_what_the_readme_says(tmp_path: Path) -> None:
    command, said = consoles()[1].strip().splitlines()
    journal = tmp_path / "journal"
    with web_server() as upstream, running_example(upstream, "--journal", str(journal)) as (port, process):
        words = command.removeprefix("$ ").replace("8081", str(port)).split()
        curl = subprocess.run(
            [*words, "-sS", "-o", "/dev/null"], capture_output=True, text=True, timeout=60, check=False
        )
        # The server may be late to close: then it is the end of the run that ends the flow, and says so.
        until(lambda: "flow-closed" in journal.read_text(), "the server has closed, too")
        process.terminate()
        _, log = process.communicate(timeout=50)

    assert curl.stderr.strip() == said
    facts = [line.split()[2] for line in log.splitlines()]
    shown = re.findall(r"^10:20:\S+ (?:-|proxy#1) (\S+)", README, re.MULTILINE)
    assert facts == shown


def test_the_proxy_of_the_readme_resets_its_client() -> None:
    """As above, without curl, so that `make test` runs it too."""
    got = 0
    with (
        web_server() as upstream,
        running_example(upstream) as (port, _),
        socket.create_connection(("127.0.0.1", port), timeout=10) as client,
    ):
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while got < 1000:
            got += len(client.recv(65536))
        with pytest.raises(ConnectionResetError):
            client.recv(1)

    assert got == 1000
