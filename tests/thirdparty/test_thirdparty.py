"""A fault that another package brings: installed, it is a fault like ours; unfit, it is told and not left out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from tests.relay.peers import LOCALHOST, Upstream, at, dial, read_exactly, send
from tests.relay.rig import Door, Wall

pytestmark = pytest.mark.timeout(200)  # a run of pytest, in a process of its own

SHOUT = Path(__file__).with_name("shout")
PAGE = (Path(__file__).parents[2] / "docs" / "writing-a-fault.md").read_text(encoding="utf-8")


def installed(folder: Path, name: str, entries: Mapping[str, str]) -> Path:
    """Leave what pip leaves of a package that has these entry points; return where to look for it."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{word} = {where}" for word, where in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(["[bustedwall.faults]", *lines, ""]))
    return folder


@pytest.fixture
def shout(tmp_path: Path) -> Path:
    """Install the example."""
    project = tomllib.loads((SHOUT / "pyproject.toml").read_text())["project"]
    shutil.copytree(SHOUT / "shout", tmp_path / "site" / "shout")
    return installed(tmp_path / "site", project["name"], project["entry-points"]["bustedwall.faults"])


def run(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a module with what is installed there."""
    paths = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": paths}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=150, cwd=site)


def test_it_is_listed_has_its_page_and_is_in_the_schema(shout: Path) -> None:
    told = json.loads(run(shout, "bustedwall", "faults", "shout", "--json").stdout)
    assert told["summary"] == "Write all that one side says in capitals."
    assert [setting["key"] for setting in told["settings"]] == ["for", "from"]

    schema = json.loads(run(shout, "bustedwall", "schema", "policy").stdout)
    assert "shout" in schema["definitions"]["step"]["properties"]


def test_a_mistake_in_it_is_told_in_its_place(shout: Path, tmp_path: Path) -> None:
    policy = tmp_path / "loud.yaml"
    policy.write_text("version: 1\nname: loud\nsummary: Loud.\nrules:\n  - {name: one, do: [{shuot: from server}]}\n")
    told = run(shout, "bustedwall", "check", str(policy))

    assert told.returncode == 1
    assert "loud.yaml:5:23: error: rules[0].do[0].shuot: unknown" in told.stdout + told.stderr
    assert "did you mean 'shout'?" in told.stdout + told.stderr


def test_generated_pages_do_not_depend_on_what_is_installed(shout: Path) -> None:
    assert "shout" not in run(shout, "bustedwall", "faults", "--markdown").stdout


def test_a_real_flow_goes_through_it(shout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(shout), os.environ.get("PYTHONPATH", "")]))
    policy = tmp_path / "loud.yaml"
    rule = {"name": "one", "do": [{"shout": "from server"}]}
    policy.write_text(yaml.safe_dump({"version": 1, "name": "loud", "summary": "Loud.", "rules": [rule]}))
    upstream = Upstream(4)
    folder = tmp_path / "wall"
    folder.mkdir()
    wall = Wall(folder, [Door("web", upstream.address, [str(policy)], at(LOCALHOST[4], 0))])
    with dial(wall.addresses["web"]) as client, upstream.accept() as server:
        assert send(client, b"hello") == "ok"
        assert read_exactly(server, 5) == b"hello"
        assert send(server, b"hello") == "ok"
        assert read_exactly(client, 5) == b"HELLO"
    assert wall.fact("fault-armed")["fault"] == "shout from server"
    upstream.sock.close()
    assert wall.stop() == 0


def test_its_own_tests_pass_and_the_contract_is_among_them(shout: Path) -> None:
    told = run(
        shout, "pytest", "-q", "-p", "no:twisted", "-p", "no:cacheprovider", "-c", os.devnull, str(SHOUT / "tests")
    )

    assert told.returncode == 0, told.stdout + told.stderr
    assert int(told.stdout.splitlines()[-1].split()[0]) > 15, told.stdout


UNSHRUNK = """
from hypothesis import Phase, settings

settings.register_profile("unshrunk", phases=[Phase.explicit, Phase.generate])
settings.load_profile("unshrunk")
"""
"""Any example will do: for the smallest one hypothesis may look for five minutes."""


@pytest.mark.long("some seconds of hypothesis")
def test_the_contract_finds_what_is_wrong(shout: Path) -> None:
    """It keeps bytes that it says it passes on, and an end is not passed on at all."""
    (shout / "unshrunk.py").write_text(UNSHRUNK)
    file = shout / "shout" / "fault.py"
    kept = "        return (Bytes(item.data.upper()),) if isinstance(item, Bytes) else ()"
    changed = file.read_text().replace(
        "        return (Bytes(item.data.upper()) if isinstance(item, Bytes) else item,)", kept
    )
    file.write_text(changed.replace("lossless: ClassVar[bool] = False", "lossless: ClassVar[bool] = True"))
    words = ["-q", "-p", "unshrunk", "-p", "no:twisted", "-p", "no:cacheprovider", "-c", os.devnull]
    told = run(shout, "pytest", *words, str(SHOUT / "tests"))

    assert told.returncode == 1
    assert "test_what_is_lossless_keeps_bytes_their_order_and_the_ending" in told.stdout
    assert "test_whatever_becomes_of_the_bytes_the_ending_comes_once_and_last" in told.stdout


MODULE = """
from typing import ClassVar

from bustedwall.faults.fault import Damage, Fault, Page
from bustedwall.faults.refuse import RefuseFault

def page(*examples):
    return Page("s", examples, wire="w", client="c", server="s", healing="", faithful="exact", source="x")

class Idle(Fault):
    word: ClassVar[str] = "idle"
    value: ClassVar[str] = "count"
    page: ClassVar[Page] = page("idle: 3")
    count: int

class Keyless(Idle):
    value: ClassVar[str] = "nosuch"

    def arm(self, dice, shared):
        return Damage()

class Exampleless(Keyless):
    value: ClassVar[str] = "count"
    page: ClassVar[Page] = page()

class Misspelt(Exampleless):
    page: ClassVar[Page] = page("idle: 3", "idel: 3")

class Mistyped(Exampleless):
    page: ClassVar[Page] = page("idle: soon")

class Plain(Exampleless):
    page: ClassVar[Page] = page("idle: 3")
    share: float = 0.5
    text: str = ""
    names: tuple[str, ...] = ()

class Wordless(Fault):
    pass

number = 3
"""
BEGIN = "bustedwall: the installed package acme brings a fault '{word}' that cannot be used: "


@pytest.mark.parametrize(
    ("word", "where", "why"),
    [
        ("reset", "acme:Wordless", "bustedwall has a step 'reset' of its own"),
        ("wait", "acme:Wordless", "bustedwall has a step 'wait' of its own"),
        ("hang-up", "acme:Wordless", "a word has small letters, digits and '_', and begins with a letter"),
        ("nothing", "acme_of_old:Fault", "acme_of_old:Fault cannot be loaded: ModuleNotFoundError: No module named"),
        ("nothing", "acme:Nothing", "acme:Nothing cannot be loaded: AttributeError"),
        ("nothing", "acme:number", "acme:number is no subclass of bustedwall.faults.fault.Fault"),
        ("nothing", "acme:Wordless", "acme:Wordless has no word and no value and no page"),
        ("nothing", "acme:RefuseFault", "the word of acme:RefuseFault is 'refuse', and the entry has to be called so"),
        ("nothing", "quits:Fault", "quits:Fault cannot be loaded: SystemExit: 0"),
        ("idle", "acme:Idle", "acme:Idle has no method 'arm', and so does nothing"),
        ("idle", "acme:Keyless", "acme:Keyless has value = 'nosuch', and that is none of its keys: count"),
        ("idle", "acme:Exampleless", "acme:Exampleless has no examples on its page"),
        ("idle", "acme:Misspelt", "acme:Misspelt has an example on its page, 'idel: 3', that is no step of it: a step"),
        ("idle", "acme:Mistyped", "acme:Mistyped has an example on its page, 'idle: soon', that is no step of it: "),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence(tmp_path: Path, word: str, where: str, why: str) -> None:
    (tmp_path / "acme.py").write_text(MODULE)
    (tmp_path / "quits.py").write_text("import sys\n\nsys.exit(0)\n")
    told = run(installed(tmp_path, "acme", {word: where}), "bustedwall", "policies", "cable-pull")

    assert told.returncode == 3, told.stderr
    assert told.stderr.startswith(BEGIN.format(word=word) + why), told.stderr
    assert len(told.stderr.splitlines()) == 1


def test_settings_of_any_kind_have_their_words(tmp_path: Path) -> None:
    """Ours are durations, sizes and shares; others may have whatever pydantic reads."""
    (tmp_path / "acme.py").write_text(MODULE)
    site = installed(tmp_path, "acme", {"idle": "acme:Plain"})
    told = json.loads(run(site, "bustedwall", "faults", "idle", "--json").stdout)

    assert {setting["key"]: setting["takes"] for setting in told["settings"]} == {
        "count": "a whole number",
        "share": "a number",
        "text": "a text",
        "names": "what `bustedwall schema policy` says",
    }
    assert "idle" in json.loads(run(site, "bustedwall", "schema", "policy").stdout)["definitions"]["step"]["properties"]


def test_two_packages_with_one_word_are_told(shout: Path) -> None:
    installed(shout, "other-shout", {"shout": "shout.fault:ShoutFault"})
    told = run(shout, "bustedwall", "faults")

    assert told.returncode == 3
    assert "the package bustedwall-shout has a fault of that word, too" in told.stderr


@pytest.mark.parametrize("name", ["pyproject.toml", "shout/fault.py", "tests/test_shout.py"])
def test_the_page_shows_the_example_as_it_is(name: str) -> None:
    assert (SHOUT / name).read_text() in PAGE
