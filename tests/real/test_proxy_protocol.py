"""The PROXY protocol among programs that speak it: curl and HAProxy send it, nginx is told it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.real.servers import HANG, HOST, NGINX_HTTP, a_port, program, running, until_it_listens
from tests.real.wall import wall

pytestmark = pytest.mark.real("curl", "nginx", "haproxy")

NGINX = (
    NGINX_HTTP
    + """\
    server {{
        listen {host}:{port} proxy_protocol;
        default_type text/plain;
        location / {{
            set $from "$proxy_protocol_addr:$proxy_protocol_port";
            return 200 "$from $proxy_protocol_server_addr:$proxy_protocol_server_port\\n";
        }}
    }}
}}
"""
)

HAPROXY = """\
defaults
    mode tcp
    timeout connect 20s
    timeout client 20s
    timeout server 20s
listen front
    bind {host}:{port}
    server door {host}:{door} {sends}
"""


@pytest.fixture(scope="session")
def teller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run an nginx that expects a header and answers with what that says; give its port."""
    folder = tmp_path_factory.mktemp("nginx")
    with a_port() as port:
        config, log = folder / "nginx.conf", folder / "error.log"
        config.write_text(NGINX.format(folder=folder, host=HOST, port=port))
        command = [program("nginx", "nginx-light"), "-p", str(folder), "-e", str(log), "-c", str(config)]
        with running(command, folder / "stderr") as process:
            until_it_listens(process, port, folder / "stderr")
            yield port


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """End what a test has started."""
    with ExitStack() as stack:
        yield stack


def curl(port: int, *options: str) -> subprocess.CompletedProcess[str]:
    """Ask what the server was told; the second line is what curl knows itself."""
    words = [program("curl", "curl"), "-q", "-sS", "--noproxy", "*", "--max-time", str(HANG), *options]
    ends = "%{local_ip}:%{local_port} %{remote_ip}:%{remote_port}\n"
    return subprocess.run(
        [*words, "-w", ends, f"http://{HOST}:{port}/"], capture_output=True, text=True, timeout=2 * HANG, check=False
    )


def assert_told_the_truth(asked: subprocess.CompletedProcess[str]) -> None:
    assert (asked.returncode, asked.stderr) == (0, "")
    told, known = asked.stdout.splitlines()
    assert told == known


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_nginx_is_told_whose_connection_it_is(tmp_path: Path, stack: ExitStack, teller: int, version: str) -> None:
    front = stack.enter_context(wall(tmp_path, teller, None, "--proxy-protocol-out", version))
    assert_told_the_truth(curl(front.port))


@pytest.mark.parametrize("sends", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c"])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_what_haproxy_tells_is_passed_on(
    tmp_path: Path, stack: ExitStack, teller: int, sends: str, version: str
) -> None:
    options = ("--proxy-protocol-in", "--proxy-protocol-out", version)
    middle = stack.enter_context(wall(tmp_path, teller, "slow-link:delay=1ms", *options))
    port, log = stack.enter_context(a_port()), tmp_path / "haproxy.log"
    config = tmp_path / "haproxy.cfg"
    config.write_text(HAPROXY.format(host=HOST, port=port, door=middle.port, sends=sends))
    haproxy = stack.enter_context(running([program("haproxy", "haproxy"), "-db", "-f", str(config)], log))
    until_it_listens(haproxy, port, log)
    assert_told_the_truth(curl(port))


def test_what_curl_tells_is_passed_on_and_without_it_there_is_a_rst(
    tmp_path: Path, stack: ExitStack, teller: int
) -> None:
    options = ("--proxy-protocol-in", "--proxy-protocol-out", "v2")
    front = stack.enter_context(wall(tmp_path, teller, None, *options))
    assert_told_the_truth(curl(front.port, "--haproxy-protocol"))
    refused = curl(front.port)
    assert refused.returncode == 56
    assert "Connection reset by peer" in refused.stderr
