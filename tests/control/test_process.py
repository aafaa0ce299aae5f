"""The API's door: what it says of the process, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.cli.running import running
from tests.control.api import Api, Said, served
from tests.relay.peers import until

import bustedwall
from bustedwall.control.access import MOST as MOST_BYTES
from bustedwall.control.app import MOST

JSON = "application/json"
PROBLEM = "application/problem+json"

SLOW = pytest.mark.long("a process of its own, a second each")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with served(tmp_path_factory.mktemp("run")) as one:
        yield one


def said(port: int, sent: bytes) -> bytes:
    """Return all that is answered to bytes, until the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        with suppress(ConnectionError):  # it may be ended before it has sent all
            client.sendall(sent)
        answer = b""
        with suppress(ConnectionResetError):
            while data := client.recv(65536):
                answer += data
        return answer


def is_problem(answer: Said, status: int) -> bool:
    """Tell whether it is RFC 9457's: the members, the kind, and the status twice."""
    told = answer.json
    return (answer.status, answer.kind, told["status"]) == (status, PROBLEM, status) and {
        "type",
        "title",
        "detail",
    } <= told.keys()


def test_what_it_says_of_the_process(api: Api) -> None:
    assert api.get("/healthz") == {"status": "ok"}
    assert api.get("/readyz") == {"status": "ok"}
    assert api.get("/version") == {"version": bustedwall.__version__, "api": "v1"}
    metrics = api.ask("GET", "/metrics")
    assert metrics.kind.startswith("text/plain; version=")
    assert "bustedwall_flows_accepted" in {family.name for family in text_string_to_metric_families(metrics.text)}
    openmetrics = api.ask("GET", "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert openmetrics.kind.startswith("application/openmetrics-text")


def test_the_document_describes_each_path_and_its_schemas_are_schemas(api: Api) -> None:
    told = api.get("/openapi.json")
    assert told["openapi"].startswith("3.1.")
    assert {"/healthz", "/readyz", "/version", "/metrics", "/openapi.json"} <= told["paths"].keys()
    for schema in told["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(told)))
    assert named <= told["components"]["schemas"].keys()
    operations = [operation["operationId"] for path in told["paths"].values() for operation in path.values()]
    assert len(set(operations)) == len(operations)


def test_what_is_not_there_is_a_problem(api: Api) -> None:
    assert is_problem(api.ask("GET", "/nothing"), 404)
    assert is_problem(api.ask("GET", "/%2e%2e/%2e%2e/etc/passwd"), 404)
    answer = api.ask("DELETE", "/version")
    assert is_problem(answer, 405)
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert is_problem(api.ask("GET", "/version?x=1"), 400)
    head = api.ask("HEAD", "/version")
    assert (head.status, head.text) == (200, "")


# ---- what is refused; docs/security.md names these


def test_a_name_of_somebody_elses_that_leads_here_is_refused(api: Api) -> None:
    assert is_problem(api.ask("GET", "/version", Host="evil.example"), 403)
    assert api.ask("GET", "/version", Host=f"localhost:{api.port}").status == 200


def test_a_page_of_another_site_is_refused(api: Api) -> None:
    assert is_problem(api.ask("GET", "/version", Origin="http://evil.example"), 403)
    assert is_problem(api.ask("GET", "/version", Origin="null"), 403)
    assert "access-control-allow-origin" not in api.ask("GET", "/version").headers


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Content-Length: 2\r\n", 415),
        (b"Content-Length: 2\r\nContent-Type: text/plain\r\n", 415),
        (b"Content-Length: 2\r\nContent-Type: multipart/form-data; boundary=x\r\n", 415),
        (b"Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n", 411),
        (b"Content-Length: %d\r\nContent-Type: application/json\r\n" % (MOST_BYTES + 1), 413),
        (b"Content-Length: 2\r\nOrigin: http://evil\r\nContent-Type: application/json\r\n", 403),
    ],
)
def test_a_body_is_judged_by_its_head_and_not_waited_for(api: Api, head: bytes, status: int) -> None:
    answer = said(api.port, b"POST /api/v1/panic HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n")
    first, _, body = answer.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(body)["status"] == status


@pytest.mark.parametrize("head", [b"GET /" + b"x" * 100_000, b"GET /version HTTP/1.1\r\n" + b"A: b\r\n" * 20_000])
def test_a_head_without_end_ends_the_connection(api: Api, head: bytes) -> None:
    assert b"200" not in said(api.port, head)


def test_connections_that_ask_nothing_make_room_for_one_that_does(api: Api) -> None:
    with ExitStack() as crowd:
        for _ in range(MOST + 10):
            client = crowd.enter_context(socket.create_connection(("127.0.0.1", api.port), timeout=20))
            client.sendall(b"POST /api/v1/panic HTTP/1.1\r\nHost: loc")  # and no more of it
        assert api.get("/healthz") == {"status": "ok"}


# ---- tokens


def test_a_token_is_asked_for_and_one_that_reads_does_not_write(tmp_path: Path) -> None:
    full, read = tmp_path / "full", tmp_path / "read"
    full.write_text("f" * 32 + "\n")
    read.write_text("r" * 32 + "\n")
    with served(tmp_path, "--token-file", str(full), "--read-token-file", str(read)) as api:
        refused = api.ask("GET", "/version")
        assert is_problem(refused, 401)
        assert refused.headers["www-authenticate"] == "Bearer"
        assert is_problem(api.ask("GET", "/version", Authorization="Bearer " + "x" * 32), 401)
        assert api.ask("GET", "/healthz").status == api.ask("GET", "/readyz").status == 200
        for token in ("f" * 32, "r" * 32):
            assert api.ask("GET", "/version", Authorization=f"Bearer {token}").status == 200
            # Who has the token may come by any name: no page of another site knows it.
            assert api.ask("GET", "/version", Authorization=f"Bearer {token}", Host="wall.internal").status == 200


@SLOW
@pytest.mark.parametrize(
    ("options", "environ", "why"),
    [
        (["--control", "0.0.0.0:0"], {}, "so it takes a token"),
        (["--control", "[::]:0"], {}, "so it takes a token"),
        (["--control", "wall.internal:0"], {}, "so it takes a token"),
        (["--control", "0"], {"BUSTEDWALL_TOKEN": "short"}, "BUSTEDWALL_TOKEN: a token has at least 16"),
        (["--control", "0", "--token-file", "empty"], {}, "empty: a token is of visible"),
        (["--control", "0"], {"BUSTEDWALL_TOKEN_FILE": "no/such"}, "no/such: No such file"),
        (["--control", "unix:no/such"], {}, "no/such"),
    ],
)
def test_what_does_not_start(tmp_path: Path, options: list[str], environ: dict[str, str], why: str) -> None:
    (tmp_path / "empty").write_text("\n")
    door = ("--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1")
    ended = subprocess.run(
        [sys.executable, "-m", "bustedwall", "run", *door, *options],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        cwd=tmp_path,
        env=os.environ | environ,
    )
    assert ended.returncode == 3, ended.stderr
    assert why in ended.stderr
    assert ended.stderr.startswith("bustedwall: ")
    assert ended.stderr.count("\n") == 1


# ---- a Unix socket, and the end


@SLOW
def test_a_unix_socket_is_for_its_owner_and_goes_with_the_run(tmp_path: Path) -> None:
    path = tmp_path / "control"
    with running(tmp_path, "-q", "--control", f"unix:{path}", stdout=subprocess.PIPE) as run:
        assert run.process.stdout is not None
        assert run.process.stdout.readline() == f"listening control unix:{path}\n".encode()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(str(path))
            client.sendall(b"GET /version HTTP/1.1\r\nHost: whatever\r\nConnection: close\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        assert run.end() == 0
        run.process.stdout.close()
    assert not path.exists()


@SLOW
def test_a_file_that_a_killed_run_left_is_not_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "control"
    with running(tmp_path, "-q", "--control", f"unix:{path}", stdout=subprocess.DEVNULL) as run:
        run.process.kill()
        run.process.wait()
    assert path.exists()
    (tmp_path / "ready").unlink()
    with running(tmp_path, "-q", "--control", f"unix:{path}", stdout=subprocess.DEVNULL) as run:
        assert run.end() == 0


@SLOW
def test_it_is_not_ready_while_it_drains(tmp_path: Path) -> None:
    with served(tmp_path, "--drain", "1h") as api:
        with socket.create_connection(("127.0.0.1", api.run.port), timeout=20):
            upstream, _ = api.run.server.accept()
            api.run.process.send_signal(signal.SIGTERM)
            until(lambda: api.ask("GET", "/readyz").status == 503, "it drains")
            assert is_problem(api.ask("GET", "/readyz"), 503)
            assert api.get("/healthz") == {"status": "ok"}
        upstream.close()
