"""Metrics of a run, by HTTP and in a file."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from tests.cli.running import WORDS, Run, running
from tests.relay.peers import until

from bustedwall.cli.run import run as run_command
from bustedwall.policy.address import Address
from bustedwall.record.web import MOST


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run that serves metrics."""
    folder = tmp_path_factory.mktemp("run")
    with running(folder, "-q", "--metrics", "0", stdout=subprocess.PIPE) as one:
        yield one
        assert one.end() == 0
        assert one.process.stdout is not None
        one.process.stdout.close()


@pytest.fixture(scope="module")
def port(run: Run) -> int:
    """Where they are served, as the run says."""
    assert run.process.stdout is not None
    match = re.fullmatch(rb"metrics http://127\.0\.0\.1:(\d+)/metrics\n", run.process.stdout.readline())
    assert match
    return int(match[1])


def get(port: int, path: str = "/metrics", method: str = "GET", **headers: str) -> tuple[int, str, str]:
    """Return the status, the kind and the text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("content-type", ""), answer.read().decode()


def number(port: int, name: str) -> float:
    for family in text_string_to_metric_families(get(port)[2]):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sample.labels.items() if key != "proxy")
            if f"{sample.name}[{labels}]".replace("[]", "") == f"bustedwall_{name}":
                return sample.value
    raise AssertionError(name)


def said(port: int, sent: bytes) -> bytes:
    """Return all that is answered to bytes, until the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        with contextlib.suppress(ConnectionError):  # it may be ended before it has sent all
            client.sendall(sent)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while data := client.recv(65536):
                answer += data
        return answer


def test_bytes_and_flows_are_told_while_a_flow_is_open_and_after(run: Run, port: int) -> None:
    with socket.create_connection(("127.0.0.1", run.port), timeout=10) as client:
        upstream, _ = run.server.accept()
        with upstream:
            client.sendall(WORDS)
            assert upstream.recv(10) == WORDS
            until(lambda: number(port, "flows_open") == 1, "it is open")
            assert number(port, "bytes_from_client_total") == 5
            assert number(port, "flows_accepted_total") == 1
    until(lambda: number(port, "flows_open") == 0, "it is closed")
    assert number(port, "bytes_from_client_total") == 5
    assert number(port, "bytes_from_server_total") == 0
    assert number(port, "flows_closed_total[outcome=finished]") == 1


def test_the_format_is_the_one_that_is_asked_for(port: int) -> None:
    status, kind, text = get(port)
    assert (status, kind.partition(";")[0]) == (200, "text/plain")
    assert list(text_string_to_metric_families(text))

    status, kind, text = get(port, Accept="application/openmetrics-text; version=1.0.0")
    assert (status, kind.partition(";")[0]) == (200, "application/openmetrics-text")
    assert list(openmetrics(text))


def test_there_is_nothing_else(port: int) -> None:
    assert get(port, "/")[0] == 404
    assert get(port, "/metrics/../etc")[0] == 404
    assert get(port, method="POST")[0] == 405
    assert get(port, method="HEAD")[::2] == (200, "")


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 1000000000000\r\n\r\n",
        b"Content-Length: 3\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ],
)
def test_a_body_is_refused_at_its_announcement(port: int, body: bytes) -> None:
    answer = said(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("head", [b"GET /" + b"x" * 100_000, b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 20_000])
def test_a_head_without_end_ends_the_connection(port: int, head: bytes) -> None:
    assert b"200" not in said(port, head)


def test_of_many_that_ask_nothing_the_oldest_make_room(port: int) -> None:
    crowd = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(MOST + 10)]
    try:
        assert get(port)[0] == 200
        for client in crowd:
            client.setblocking(False)  # noqa: FBT003 (its only argument)
        until(lambda: sum(map(has_ended, crowd)) >= 10, "the oldest were sent away")
    finally:
        for client in crowd:
            client.close()


def has_ended(client: socket.socket) -> bool:
    try:
        return client.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


# ---- a file


def test_a_file_is_there_from_the_beginning_and_whole_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "run.prom"
    with running(tmp_path, "-q", "--metrics", str(path), stdout=subprocess.DEVNULL) as one:
        first = path.read_text()
        assert 'bustedwall_flows_accepted_total{proxy="proxy"} 3.0' not in first
        assert list(text_string_to_metric_families(first))
        one.talk(3)
        assert one.end() == 0
    assert 'bustedwall_flows_accepted_total{proxy="proxy"} 3.0' in path.read_text()
    assert [file.name for file in tmp_path.iterdir() if "prom" in file.name] == ["run.prom"]


# ---- the option


@pytest.mark.parametrize(
    ("typed", "where"),
    [
        ("9464", Address("127.0.0.1", 9464)),
        (":9464", Address("127.0.0.1", 9464)),
        ("0.0.0.0:9464", Address("0.0.0.0", 9464)),
        ("[::1]:9464", Address("::1", 9464)),
        ("run.prom", Path("run.prom")),
        ("./9464", Path("9464")),
        ("a/b:9464", Path("a/b:9464")),
    ],
)
def test_metrics_stay_on_this_machine_unless_another_address_is_named(typed: str, where: Address | Path) -> None:
    option = next(option for option in run_command.params if option.name == "metrics")
    assert option.type.convert(typed, option, click.Context(run_command)) == where


@pytest.mark.parametrize("typed", ["::1:9464", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_a_mistake(typed: str) -> None:
    option = next(option for option in run_command.params if option.name == "metrics")
    with pytest.raises(click.BadParameter):
        option.type.convert(typed, option, click.Context(run_command))


def test_a_place_that_cannot_be_had_ends_with_3_and_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        places = [f"127.0.0.1:{taken.getsockname()[1]}", str(tmp_path / "no" / "such.prom")]
        for place in places:
            door = ("--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1", "--metrics", place)
            ended = subprocess.run(
                [sys.executable, "-m", "bustedwall", "run", *door],
                capture_output=True,
                text=True,
                timeout=50,
                check=False,
            )
            assert ended.returncode == 3
            assert ended.stderr.startswith(f"bustedwall: {place.removesuffix('such.prom')}")
            assert ended.stderr.count("\n") == 1
            assert not ended.stdout
