"""curl, before nginx and before an nginx that is itself a client of another."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.real.case import (
    CURL,
    DOWNLOADS_UNBUFFERED,
    GATE,
    LIMIT,
    NGINX,
    PATIENT,
    SHORT_OF_HEADER_DONE,
    Case,
    Outcome,
    check,
    files,
    same,
)
from tests.real.conftest import StartWall
from tests.real.expected import of
from tests.real.gate import gate
from tests.real.servers import FILES, HANG, HOST, Server, keeping_nginx, program

pytestmark = pytest.mark.real("curl", "nginx")


def curl(folder: Path, *urls: str, limit: float = PATIENT, limits: Sequence[float] = ()) -> tuple[Outcome, list[str]]:
    """Download files to FOLDER/0, 1 …; return how it ended, and headers, body and connections of each."""
    words = [program("curl", "curl"), "-q"]
    for number, (url, seconds) in enumerate(zip(urls, limits or [limit] * len(urls), strict=True)):
        words += ["--next"] if number else []
        words += ["-sSf", "--noproxy", "*", "--max-time", str(seconds), "-o", str(folder / str(number)), url]
        words += ["-w", "%{size_header} %{size_download} %{num_connects}\n"]
    began = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, timeout=HANG, check=False)
    outcome = Outcome(f"exit {done.returncode}", done.stderr, time.monotonic() - began)
    return outcome, done.stdout.splitlines()


def assert_same_bytes(server: Server, folder: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        if name == GATE:
            continue
        # Not `assert a == b`: a difference of megabytes takes pytest minutes to show.
        original = server.folder / "files" / Path(name).name
        unchanged = (folder / str(number)).read_bytes() == original.read_bytes()
        assert unchanged, f"{name} has changed on its way"


@pytest.mark.parametrize("name", FILES)
def test_without_a_policy_curl_gets_every_byte(nginx: Server, wall: StartWall, tmp_path: Path, name: str) -> None:
    outcome, _ = curl(tmp_path, f"http://{HOST}:{wall(nginx, None).port}/{name}")

    assert (outcome.ends, outcome.says) == ("exit 0", "")
    assert_same_bytes(nginx, tmp_path, [name])


def test_without_a_policy_curl_keeps_its_connection(nginx: Server, wall: StartWall, tmp_path: Path) -> None:
    url = f"http://{HOST}:{wall(nginx, None).port}/100kB"

    outcome, sizes = curl(tmp_path, url, url)

    assert outcome.ends == "exit 0"
    assert [line.split()[2] for line in sizes] == ["1", "0"]
    assert_same_bytes(nginx, tmp_path, ["100kB", "100kB"])


def test_without_a_policy_curl_behind_nginx_gets_every_byte(nginx: Server, wall: StartWall, tmp_path: Path) -> None:
    outcome, _ = curl(tmp_path, f"http://{HOST}:{nginx.port}/through/{round(PATIENT)}/{wall(nginx, None).port}/5MB")

    assert (outcome.ends, outcome.says) == ("exit 0", "")
    assert_same_bytes(nginx, tmp_path, ["5MB"])


@pytest.mark.parametrize("case", of(CURL), ids=str)
def test_curl_ends_and_speaks_as_the_page_says(nginx: Server, wall: StartWall, tmp_path: Path, case: Case) -> None:
    names, proxy = files(case.does), wall(nginx, case.policy)

    with gate(proxy) as opens:
        urls = [opens if name == GATE else f"http://{HOST}:{proxy.port}/{name}" for name in names]
        limits = [PATIENT if name == GATE else case.limit for name in names]
        outcome, _ = curl(tmp_path, *urls, limits=limits)

    if case.endings == SHORT_OF_HEADER_DONE:
        assert (tmp_path / "0").read_bytes() == b""
        outcome = replace(outcome, ends=f"{outcome.ends}, with nothing")
    check(case, outcome)
    if case.succeeds:
        assert_same_bytes(nginx, tmp_path, names)


@pytest.mark.parametrize("case", [case for case in of(NGINX) if len(files(case.does)) > 1], ids=str)
def test_curl_behind_an_nginx_that_keeps_its_connection_speaks_as_the_page_says(
    nginx: Server, wall: StartWall, tmp_path: Path, case: Case
) -> None:
    """Each file is downloaded by a curl of its own: what is kept is the connection of the nginx in between."""
    proxy, names = wall(nginx, case.policy), [name for name in files(case.does) if name != GATE]
    with keeping_nginx(tmp_path / "keeping", proxy.port, case.limit) as between:
        url = f"http://{HOST}:{between.port}/{names[0]}"
        first, _ = curl(tmp_path, url)
        assert first.ends == "exit 0"
        if GATE in files(case.does):
            proxy.until_struck()
        outcome, _ = curl(tmp_path, url)
        lines = between.log("upstream: ")

    check(case, outcome)
    if case.log:
        (line,) = lines
        assert any(same(f"… {log}, client: …", line) for log in case.log), line
    else:
        assert not lines
    if case.succeeds:
        assert_same_bytes(nginx, tmp_path, names[:1])


@pytest.mark.parametrize("case", [case for case in of(NGINX) if len(files(case.does)) == 1], ids=str)
def test_curl_behind_nginx_and_nginx_speak_as_the_page_says(
    nginx: Server, wall: StartWall, tmp_path: Path, case: Case
) -> None:
    proxy = wall(nginx, case.policy)
    way = "unbuffered" if case.does == DOWNLOADS_UNBUFFERED else "through"
    (name,) = files(case.does)
    about = f'upstream: "http://{HOST}:{proxy.port}/'
    before = len(nginx.log(about))  # the proxy of another test may have had this port

    outcome, _ = curl(tmp_path, f"http://{HOST}:{nginx.port}/{way}/{round(case.limit)}/{proxy.port}/{name}")

    check(case, outcome)
    lines = nginx.log(about)[before:]
    if case.log:
        (line,) = lines
        assert any(same(f"… {log}, client: …", line) for log in case.log), line
    else:
        assert not lines
        assert_same_bytes(nginx, tmp_path, [name])


@pytest.mark.parametrize(("policy", "passed"), [("reset-mid-response", 1000), ("cable-pull:after=50kB", 50_000)])
def test_curl_gets_what_the_policy_lets_pass_and_not_one_byte_more(
    nginx: Server, wall: StartWall, tmp_path: Path, policy: str, passed: int
) -> None:
    _, (sizes,) = curl(tmp_path, f"http://{HOST}:{wall(nginx, policy).port}/5MB", limit=LIMIT)

    header, body, _ = map(int, sizes.split())
    assert header + body == passed


def test_curl_repeats_a_request_by_itself_where_a_connection_that_it_kept_is_reset(
    nginx: Server, wall: StartWall, tmp_path: Path
) -> None:
    """So it says nothing of the fault; the second request has used a second connection."""
    proxy = wall(nginx, "gave-up-rst:give_up=1s")
    url = f"http://{HOST}:{proxy.port}/2kB"

    outcome, sizes = curl(tmp_path, url, url)

    assert (outcome.ends, outcome.says) == ("exit 0", "")
    assert [line.split()[2] for line in sizes] in (["1", "1"], ["1", "0"])  # curl 7.88 counts the first attempt only
    proxy.until_fired(2)
    assert len(proxy.facts("rule-fired")) == 2
