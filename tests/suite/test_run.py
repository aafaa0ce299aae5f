"""Suites as they run: real services, proxies and programs on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from click.testing import CliRunner, Result

from bustedwall.cli.main import main
from bustedwall.suite.remains import MARK, Remains

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Refused = Callable[..., Result]

SECONDS = pytest.mark.long("each starts two processes and more")

pytestmark = pytest.mark.timeout(200)  # several processes one after the other, of which each may take ten seconds

DOCS = Path(__file__).parents[2] / "docs"

HEAD = """\
version: 1
suite: own
services:
  - name: web
    run: ["{python}", -m, http.server, "{port}", --bind, 127.0.0.1, --directory, "{folder}"]
proxies: [{name: site, upstream: "{web.address}"}]
scenarios:
"""

GET = """\
import os, sys, urllib.request
urllib.request.urlopen("http://" + os.environ["BUSTEDWALL_SITE_ADDRESS"], timeout=5).read()
"""


def written(folder: Path, head: str, scenarios: str) -> str:
    (folder / "get.py").write_text(GET)
    path = folder / "own.yaml"
    path.write_text(head + textwrap.indent(textwrap.dedent(scenarios), "  "))
    return str(path)


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    """Have a suite be read, and not played: in this process, which saves a second."""

    def refused(scenarios: str, *options: str, head: str = HEAD) -> Result:
        done = CliRunner().invoke(main, ["test", written(tmp_path, head, scenarios), *options])
        assert not done.stdout
        return done

    return refused


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(scenarios: str, *options: str, head: str = HEAD) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bustedwall", "test", written(tmp_path, head, scenarios), *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)

    return run


def verdicts(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Return the verdict of each case by its name."""
    assert done.stdout, done.stderr
    lines = done.stdout.split("\n\n")[0].splitlines()[1:]
    return {line.split()[1]: line.split()[0] for line in lines}


def test_each_verdict_comes_and_the_status_is_0_only_if_all_passed(run: Run) -> None:
    done = run("""
        - {name: passed, run: ["{python}", get.py], policies: [slow-link: {delay: 1ms}]}
        - {name: failed, run: ["{python}", get.py], policies: [reset-mid-response: {after: 10B}]}
        - {name: vacuous, run: ["{python}", get.py], policies: [reset-mid-response: {after: 10MB}]}
        - {name: broken, run: [no-such-program]}
        """)
    assert verdicts(done) == {"passed": "PASSED", "failed": "FAILED", "vacuous": "VACUOUS", "broken": "BROKEN"}
    assert done.returncode == 1
    assert "reset-mid-response never fired: the program has not met it" in done.stdout
    assert "cannot start no-such-program: No such file or directory" in done.stdout
    assert "its last line: ConnectionResetError: [Errno 104] Connection reset by peer" in done.stdout
    assert done.stdout.count("again: bustedwall test ") == 3


@SECONDS
def test_the_status_is_0_where_all_passed_and_the_seed_is_shown(run: Run) -> None:
    done = run("- {name: passed, run: ['{python}', get.py], policies: [slow-link: {delay: 1ms}]}\n", "--seed", "5")
    assert (done.returncode, verdicts(done)) == (0, {"passed": "PASSED"})
    assert "seed 5" in done.stdout


@SECONDS
def test_the_reports_of_a_run_agree_with_each_other_and_with_the_schema(run: Run, tmp_path: Path) -> None:
    files = {kind: tmp_path / f"report.{kind}" for kind in ("json", "junit", "html")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    scenarios = """
        - name: cut
          about: It is told.
          matrix: {after: [10B, 10MB]}
          policies: [reset-mid-response: {after: "{after}"}]
          run: ["{python}", get.py]
          expect: {exit: 1}
        - {name: broken, run: [no-such-program]}
        """
    done = run(scenarios, *options, "--repeat", "2")
    told = json.loads(files["json"].read_text())
    jsonschema.validate(told, json.loads((DOCS / "schema" / "report.json").read_text()))
    shown = verdicts(done)
    assert {case["name"]: case["verdict"] for case in told["cases"]} == shown
    assert len(shown) == 6
    assert any(case["facts"] and case["phases"] and case["lines"] for case in told["cases"])
    root = ET.parse(files["junit"]).getroot()
    kinds = {"FAILED": "failure", "VACUOUS": "failure", "BROKEN": "error", "PASSED": None}
    for case in root.iter("testcase"):
        found = {child.tag for child in case} & {"failure", "error"}
        assert found == {kinds[shown[case.attrib["name"]]]} - {None}
    page = files["html"].read_text()
    assert all(f'<span class="name">{name}</span>' in page for name in shown)


@SECONDS
def test_in_a_workflow_nothing_that_a_program_writes_is_a_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    done = run("- {name: says, run: [echo, '##[add-mask]a'], expect: {exit: 3}}\n", "--format", "github")
    lines = done.stdout.splitlines()
    stop = lines[0]
    assert stop.startswith("::stop-commands::")
    token = stop.removeprefix("::stop-commands::")
    assert len(token) == 32
    obeyed, obeys = [], True
    for line in lines:
        if line == f"::{token}::":
            obeys = True
        elif obeys:
            obeyed.append(line)
            obeys = line != stop
    assert obeyed[:5] == [stop, "::group::FAILED says", stop, "::endgroup::", stop]
    assert obeyed[5].startswith("::error file=")
    assert len(obeyed) == 6
    assert "##[add-mask]a" in done.stdout


@SECONDS
def test_the_command_that_repeats_a_case_repeats_it(run: Run) -> None:
    scenarios = """
        - name: cut
          matrix: {after: [10B, 20B]}
          policies: [reset-mid-response: {after: "{after}"}]
          run: ["{python}", get.py]
        """
    done = run(scenarios)
    assert verdicts(done) == {"cut[after=10B]": "FAILED", "cut[after=20B]": "FAILED"}
    again = next(line for line in done.stdout.splitlines() if "again: " in line and "20B" in line)
    shell = again.partition("again: ")[2].replace("bustedwall ", f"{sys.executable} -m bustedwall ", 1)
    done = subprocess.run(shell, shell=True, capture_output=True, text=True, timeout=150, check=False)
    assert verdicts(done) == {"cut[after=20B]": "FAILED"}


@SECONDS
def test_a_service_that_does_not_start_breaks_every_case_and_says_what_it_wrote(run: Run) -> None:
    head = HEAD.replace("-m, http.server", "-c, \"import sys; sys.exit('no room')\"")
    done = run("- {name: one, run: ['{python}', get.py]}\n- {name: two, run: ['{python}', get.py]}\n", head=head)
    assert verdicts(done) == {"one": "BROKEN", "two": "BROKEN"}
    assert "service web has ended with 1: no room" in done.stdout
    assert done.returncode == 1


@SECONDS
def test_a_case_that_is_broken_each_time_has_a_name_and_a_command_each_time(run: Run) -> None:
    head = HEAD.replace("-m, http.server", "-c, pass")
    done = run("- {name: one, run: ['{python}', get.py]}\n", "--repeat", "2", head=head)
    assert verdicts(done) == {"one": "BROKEN", "one#2": "BROKEN"}
    assert done.stdout.count(" -k one --repeat 2\n") == 1


@SECONDS
def test_a_program_of_other_words_is_found_by_its_phases_and_stopped(run: Run) -> None:
    done = run("""
        - name: heals
          policies: [connect-refused]
          phases:
            warm: {until: {output: warm}}
            break: {until: {fired: connect-refused, output: refused}, for: 200ms}
            heal: {until: {output: again, open: 0}}
          run: |
            while "{python}" get.py; do echo warm; done
            until "{python}" get.py; do sleep 0.05; done
            echo again; sleep 60
          within: 30s
          expect: {open_at_end: 0, recovered: {within: 10s}}
        """)
    assert verdicts(done) == {"heals": "PASSED"}, done.stdout


@SECONDS
def test_texts_are_looked_for_in_all_that_is_written_and_with_their_names_filled_in(run: Run) -> None:
    done = run(
        """
        - name: lost
          matrix: {more: [10, 3000000]}
          run: ["{python}", -c, "print('Traceback: {more}'); print('x' * {more})"]
          expect: {output: {has: ["Traceback: {more}"], lacks: [Traceback]}}
        - name: names
          matrix: {word: [record]}
          run: echo "a {word} at {site.address}, {{word}} in {folder}"
          phases: {warm: {until: {output: "{{word}} in {folder}"}}}
          expect: {fired: false, output: {has: ["a {word} at {site.address}, {{word}}"], lacks: ["{{site.address}}"]}}
        """
    )
    expected = {"lost[more=10]": "FAILED", "lost[more=3000000]": "FAILED", "names[word=record]": "PASSED"}
    assert verdicts(done) == expected, done.stdout
    assert "it did not write" not in done.stdout


@SECONDS
def test_one_of_two_servers_that_is_down_makes_a_case_broken(run: Run) -> None:
    head = HEAD.replace("proxies: [", "proxies: [{name: cache, upstream: '127.0.0.1:1'}, ")
    done = run(
        """
        - name: dead
          policies: [reset-mid-response: {after: 10B}]
          on: [site]
          run: "{python} get.py; BUSTEDWALL_SITE_ADDRESS={cache.address} {python} get.py"
          expect: {exit: nonzero}
        - {name: refused, policies: [connect-refused], run: "{python} get.py", expect: {exit: nonzero}}
        """,
        head=head,
    )
    assert verdicts(done) == {"dead": "BROKEN", "refused": "PASSED"}, done.stdout
    assert "the server was never reached: 127.0.0.1:1: ECONNREFUSED" in done.stdout


@SECONDS
def test_whatever_a_program_makes_of_its_folder_the_others_have_theirs(run: Run, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    report = tmp_path / "report.json"
    done = run(
        """
        - {name: link, run: "rmdir {folder} && ln -s $PWD/kept {folder}"}
        - {name: inside, run: "ln -s $PWD/kept {folder}/kept"}
        - {name: file, run: "rmdir {folder} && touch {folder}"}
        - {name: gone, run: "rmdir {folder}"}
        - {name: all, run: "rm -r $(dirname {folder})"}
        - {name: none, run: "true"}
        """,
        "--json",
        str(report),
    )
    passed = dict.fromkeys(("link", "inside", "file", "gone", "all"), "PASSED")
    assert verdicts(done) == {**passed, "none": "BROKEN"}, done.stdout
    assert "it cannot be played here: [Errno 2] No such file or directory: " in done.stdout
    assert (done.returncode, len(json.loads(report.read_text())["cases"])) == (1, 6)
    assert (tmp_path / "kept" / "file").exists()


POOL = """\
import os, socket, time
address = os.environ["BUSTEDWALL_SITE_HOST"], int(os.environ["BUSTEDWALL_SITE_PORT"])
pool = [socket.create_connection(address) for _ in range(25)]
for one in pool:
    one.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    assert one.recv(65536)
print("warm", flush=True)
time.sleep(1)
for one in pool:
    one.close()
time.sleep(60)
"""


@SECONDS
def test_a_pool_that_gave_up_has_not_recovered_by_what_it_read_before_the_break(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pool.py").write_text(POOL)
    done = run("""
        - name: gave-up
          matrix: {within: [30s, 10m]}
          within: "{within}"
          policies: [cable-pull]
          phases: {warm: {until: {output: warm}}, break: 100ms, heal: {until: {fact: flow-closed, times: 25}}}
          run: ["{python}", pool.py]
          expect: {fired: false, recovered: {within: 20s}}
        """)
    assert verdicts(done) == {"gave-up[within=30s]": "FAILED", "gave-up[within=10m]": "FAILED"}
    assert "no byte of the server came in the " in done.stdout


@SECONDS
def test_repeat_plays_a_case_again_with_other_draws(run: Run) -> None:
    done = run("- {name: one, run: ['{python}', get.py]}\n", "--repeat", "3", "--jobs", "2")
    assert verdicts(done) == {"one": "PASSED", "one#2": "PASSED", "one#3": "PASSED"}


def test_a_mistake_is_told_with_its_place_and_the_nearest_word_before_anything_runs(refused: Refused) -> None:
    done = refused("""
        - {name: one, run: "{sight.address}", polices: []}
        - {name: two, run: "{sight.address}", policies: [reset-mid-respons]}
        """)
    assert done.exit_code == 1
    assert "did you mean 'policies'?" in done.stderr
    assert "did you mean 'reset-mid-response'?" in done.stderr
    assert "own.yaml:" in done.stderr
    done = refused("- {name: one, run: x, phases: {warm: {until: {fact: peer-lst}}, break: {until: {fired: x}}}}\n")
    assert "did you mean 'peer-lost'?" in done.stderr
    assert "this scenario has no policy 'x'" in done.stderr
    done = refused("- {name: one, run: x, matrix: {A: [1]}}\n", head=HEAD.replace("{web.address}", "nowhere"))
    assert "expected a name of a-z, 0-9 and '_', got 'A'" in done.stderr
    assert "proxies[0].upstream: " in done.stderr
    done = refused("- {name: one, run: 'nc {sit.port}'}\n")
    assert "'{sit.port}' means nothing here" in done.stderr
    assert "did you mean 'site.port'?" in done.stderr
    done = refused("""
        - name: one
          run: x
          phases: {warm: {until: {output: "{fodler}"}}}
          expect: {output: {has: ["at {site.adress}", "{{user}}"], lacks: ["{user}"]}}
        """)
    assert "scenarios[0].phases.warm.until.output: '{fodler}' means nothing here" in done.stderr
    assert "scenarios[0].expect.output.has[0]: '{site.adress}' means nothing here" in done.stderr
    assert "did you mean 'site.address'?" in done.stderr
    assert "scenarios[0].expect.output.lacks[0]: '{user}' means nothing here" in done.stderr
    assert "for the text itself write {{user}}" in done.stderr
    assert done.stderr.count("means nothing here") == 3


@pytest.mark.parametrize("name", ["..", ".", "1st", "-x", "x" * 61])
def test_a_name_of_which_no_variable_and_no_folder_can_be_made_is_refused(refused: Refused, name: str) -> None:
    done = refused("- {name: one, run: x}\n", head=HEAD.replace("{name: site,", f"{{name: '{name}',"))
    assert "proxies[0].name: expected a letter, and then up to 59 letters, digits and '_.-'" in done.stderr
    done = refused("- {name: one, run: x}\n", head=HEAD.replace("name: web\n", f"name: '{name}'\n"))
    assert "services[0].name: expected a letter" in done.stderr


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            "expect: {exit: 256}",
            "expect.exit: expected 0 to 255, -1 to -64 for a signal, nonzero, any or hangs, got 256",
        ),
        ("expect: {exit: -65}", "expect.exit: expected 0 to 255"),
        ("matrix: {a: [1, '1']}", "matrix: two cases would be called 'one[a=1]'"),
        ("matrix: {a: [1, 2], b: [x, x]}", "matrix: two cases would be called 'one[a=1, b=x]'"),
    ],
)
def test_what_can_never_be_and_cases_of_one_name_are_refused(refused: Refused, said: str, sentence: str) -> None:
    assert f"scenarios[0].{sentence}" in refused(f"- {{name: one, run: x, {said}}}\n").stderr


@SECONDS
def test_a_report_that_cannot_be_written_loses_no_other(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report").write_text("a file, and no folder")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "report" / "summary"))
    monkeypatch.chdir(tmp_path)
    reports = ["--junit", "x" * 300, "--html", "page.html", "--json", "report.json", "--format", "github"]
    done = run("- {name: one, run: 'true'}\n", *reports)
    assert (done.returncode, "1 PASSED" in done.stdout) == (3, True), done.stdout
    assert done.stderr.splitlines() == [
        f"bustedwall: {'x' * 300}: File name too long",
        f"bustedwall: {tmp_path}/report/summary: Not a directory",
    ]
    assert json.loads((tmp_path / "report.json").read_text())["cases"]
    assert "</html>" in (tmp_path / "page.html").read_text()


@SECONDS
def test_a_program_that_still_runs_when_its_last_part_is_over_hangs(run: Run) -> None:
    done = run("""
        - name: hangs
          phases: {break: 10ms, heal: 10ms}
          run: sleep 300
          expect: {exit: hangs}
        """)
    assert verdicts(done) == {"hangs": "PASSED"}, done.stdout


def test_proxies_that_a_program_could_not_tell_apart_are_refused(refused: Refused) -> None:
    more = "".join(f"{{name: {name}, upstream: 'a:1'}}, " for name in ("a-b", "a_b", "A.b", "a-bc"))
    done = refused("- {name: one, run: x}\n", head=HEAD.replace("proxies: [", f"proxies: [{more}"))
    said = "proxy 'a-b' has the same variable BUSTEDWALL_A_B_ADDRESS"
    assert [f"proxies[{i}].name: {said}" in done.stderr for i in range(4)] == [False, True, True, False]


def test_what_names_may_have_they_have_in_braces(refused: Refused) -> None:
    site = "x" + "-_.9" * 14
    head = HEAD.replace("{name: site,", f"{{name: {site},")
    assert (
        "means nothing here" not in refused(f"- {{name: one, run: '{{{site}.port}}', nothing: 1}}\n", head=head).stderr
    )


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("expect: {fired: {reset-mid-response/cutt: 0}}", "expect.fired['reset-mid-response/cutt']"),
        ("phases: {break: {until: {fired: reset-mid-response/cutt}}}", "phases.break.until.fired"),
    ],
)
def test_a_rule_that_its_policy_has_not_is_a_mistake(refused: Refused, said: str, place: str) -> None:
    policies = "policies: [reset-mid-response: {after: '{n}'}], matrix: {n: [1B, 2B]}"
    done = refused(f"- {{name: one, run: x, {policies}, {said}}}\n")
    assert f"scenarios[0].{place}: policy 'reset-mid-response' has no rule 'cutt'" in done.stderr
    assert "did you mean 'cut'?" in done.stderr
    assert done.stderr.count("has no rule") == 1, "once, and not for each case of the matrix"


def test_a_name_that_no_case_has_is_a_wrong_command_line(refused: Refused) -> None:
    done = refused("- {name: one, run: ['{python}', get.py]}\n", "-k", "tow")
    assert done.exit_code == 2
    assert "no case has 'tow' in its name; there are: one" in done.stderr
    done = refused("- {name: one, run: ['{python}', get.py]}\n", "--html", "/nowhere/report.html")
    assert done.exit_code == 2
    assert "there is no folder /nowhere" in done.stderr


LASTS = """
- name: lasts
  run: sleep 300 & echo $$ $! > pids; wait
  within: 200s
"""


@SECONDS
def test_a_file_that_is_called_like_a_policy_of_the_library_does_not_hide_it_from_the_next_case(
    run: Run, tmp_path: Path
) -> None:
    mine = "version: 1\nname: slow-link\nsummary: s\nrules: [{name: mine, do: [{latency: 1ms from server}]}]\n"
    (tmp_path / "slow-link.yaml").write_text(mine)
    done = run("""
- {name: mine, run: ['{python}', get.py], policies: [./slow-link.yaml], expect: {fired: {slow-link/mine: 1}}}
- {name: library, run: ['{python}', get.py], policies: [slow-link: {delay: 2ms}]}
""")
    assert verdicts(done) == {"mine": "PASSED", "library": "PASSED"}, done.stdout


@SECONDS
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_behind(tmp_path: Path, how: signal.Signals) -> None:
    temporary = tmp_path / "t"
    temporary.mkdir()
    path = tmp_path / "own.yaml"
    served = "run: [sh, -c, 'echo $$ > served; exec \"$@\"', sh, "
    path.write_text(HEAD.replace("run: [", served) + textwrap.indent(LASTS, "  "))
    child = subprocess.Popen(
        [sys.executable, "-m", "bustedwall", "test", str(path)],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    until(lambda: (tmp_path / "pids").exists() and len((tmp_path / "pids").read_text().split()) == 2)
    pids = [*(tmp_path / "pids").read_text().split(), (tmp_path / "served").read_text().strip()]
    pids += [one.name for one in Path("/proc").iterdir() if child_of(one.name, child.pid)]
    assert len(pids) >= 5, "the program and what it started, the service, the proxies, and who clears"
    child.send_signal(how)
    child.communicate(timeout=60)
    assert child.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[how]
    until(lambda: not [one for one in pids if lives(one)])
    until(lambda: not list(temporary.iterdir()))


@SECONDS
def test_what_prepares_a_service_does_not_stay_behind_either(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    prepare = "prepare: [echo $$ > pid; sleep 300], run: [x]"
    path.write_text(
        HEAD.partition("  - name: web")[0] + f"  - {{name: web, {prepare}}}\n"
        "proxies: [{name: site, upstream: '{web.address}'}]\nscenarios: [{name: one, run: x}]\n"
    )
    child = subprocess.Popen([sys.executable, "-m", "bustedwall", "test", str(path)], stdout=subprocess.DEVNULL)
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    child.kill()
    child.wait()
    until(lambda: not lives((tmp_path / "pid").read_text().strip()))


def test_a_program_that_nobody_could_put_on_the_list_is_known_by_its_mark(tmp_path: Path) -> None:
    """As one is that was started just before `kill -9`, and one that has made a session of its own."""
    remains = Remains()
    temporary = tmp_path / "t"
    temporary.mkdir()
    remains.folder(str(temporary))
    ours, others = (
        subprocess.Popen(["sleep", "300"], env={**os.environ, **env}, start_new_session=True)
        for env in (remains.env, {MARK: "of another run"})
    )
    try:
        remains.clear()
        assert ours.wait(timeout=60) == -signal.SIGKILL
        assert others.poll() is None
        assert not temporary.exists()
    finally:
        others.kill()
        others.wait()


def until(true: Callable[[], object]) -> None:
    over = time.monotonic() + 60
    while not true():
        assert time.monotonic() < over
        time.sleep(0.02)


def lives(pid: str) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def child_of(pid: str, parent: int) -> bool:
    if not pid.isdigit():
        return False
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1] == str(parent)
    return False
