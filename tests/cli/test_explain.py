"""`bustedwall explain`: the page, the JSON, and how it ends."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bustedwall.cli.main import main
from bustedwall.explain.model import Symptom, load

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def explain(*words: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["explain", *words], input=stdin)


def flat(text: str) -> str:
    return " ".join(text.split())


def too_wide(text: str) -> list[str]:
    return [line for line in text.splitlines() if len(line) > 80]


def test_a_text_is_explained() -> None:
    told = explain("psycopg.OperationalError: server closed the connection unexpectedly")

    assert told.exit_code == 0
    page = flat(told.stdout)
    assert page.startswith("The connection has ended, and the client does not say how")
    assert '"server closed the connection unexpectedly" (libpq)' in page
    assert "--policy aws-nlb-idle:idle=5s" in page
    assert "Cure: Send something before the time is over" in page
    assert "idle for minutes, and a retry works at once: cause 2" in page


@pytest.mark.parametrize("symptom", load().symptoms, ids=lambda symptom: symptom.name)
def test_the_page_tells_all_that_the_data_says_and_fits(symptom: Symptom) -> None:
    _, words, _ = next(iter(symptom.said()))

    told = explain(words.replace("…", "1"))

    assert told.exit_code == 0
    assert not too_wide(told.stdout)
    page = flat(told.stdout)
    assert flat(symptom.means) in page
    for cause in symptom.causes:
        assert f"{flat(cause.what)}." in page
        assert all(use.partition(":")[0] in page for use in cause.policies)
    for look in symptom.looks:
        assert all(flat(answer.seen) in page for answer in look.answers)


def test_words_that_need_no_quotes_may_be_several_arguments() -> None:
    assert explain("Connection", "reset", "by", "peer").stdout == explain("Connection reset by peer").stdout


def test_lines_are_read_from_stdin() -> None:
    told = explain("-", stdin="12:00 a: Connection refused\n12:01 b: Broken pipe\n")

    assert told.exit_code == 0
    assert told.stdout.startswith("These words tell of more than one thing:\n  - connect was answered by no\n")
    assert "sending on a connection that has ended already" in told.stdout


def test_stdin_need_not_be_utf_8() -> None:
    assert explain("-", stdin=b"\xff\xfe Broken pipe \xe4").exit_code == 0


def test_a_policy_that_waits_for_a_signal_is_told_with_it() -> None:
    page = explain("ECONNREFUSED").stdout

    assert "--command-file commands --policy process-killed\n" in page
    assert "  echo signal kill > commands\n" in page


def test_an_unknown_text_ends_with_1_and_names_the_nearest_and_what_to_do() -> None:
    told = explain("conection resett by per")

    assert told.exit_code == 1
    assert told.stdout.startswith("None of these words is known.\n")
    assert '"Connection reset by peer" (any program): a RST has come' in flat(told.stdout)
    assert "tcpdump" in told.stdout
    assert not too_wide(told.stdout)


@pytest.mark.parametrize("text", ["", " ", "\0", "…", "a" * 5000])
def test_a_text_that_says_nothing_is_unknown(text: str) -> None:
    assert explain(text).exit_code == 1


def test_no_text_is_a_mistake_of_the_command_line() -> None:
    assert explain().exit_code == 2


def test_json_has_the_same() -> None:
    told = explain("ETIMEDOUT", "--json")
    data = json.loads(told.stdout)

    assert told.exit_code == 0
    assert [one["symptom"] for one in data["symptoms"]] == ["kernel-gave-up", "connect-timeout"]
    first = data["symptoms"][0]["causes"][0]["policies"][0]
    assert first["policy"] == "fw-idle-drop:idle=5s"
    assert first["commands"][-1].endswith("--policy fw-idle-drop:idle=5s")
    assert first["cure"].startswith("Keepalives")


def test_json_of_an_unknown_text_has_the_nearest() -> None:
    told = explain("conection resett by per", "--json")
    data = json.loads(told.stdout)

    assert told.exit_code == 1
    assert data["symptoms"] == []
    assert data["nearest"] == {"symptom": "reset", "program": "any program", "words": "Connection reset by peer"}
    assert data["next"]
    assert json.loads(explain("qqqqqq", "--json").stdout)["nearest"] is None


def test_it_needs_no_twisted() -> None:
    program = (
        "import sys\nfrom click.testing import CliRunner\nfrom bustedwall.cli.main import main\n"
        "assert CliRunner().invoke(main, ['explain', 'EPIPE']).exit_code == 0\nsys.exit('twisted' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


def test_the_readme_shows_what_is_said() -> None:
    shown = re.search(r"^```text\n\$ bustedwall explain '(.*?)'\n(.*?)^…\n```$", README, re.MULTILINE | re.DOTALL)
    assert shown

    assert explain(shown[1]).stdout.startswith(shown[2])
