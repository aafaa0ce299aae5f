"""Real servers, each a process of its own on a port of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.real.case import LIMIT, PATIENT

HOST = "127.0.0.1"
HANG = 30.0
"""Nothing here takes so long; what does has failed."""

FILES = {"200B": 200, "2kB": 2_000, "100kB": 100_000, "5MB": 5_000_000}

NGINX_HTTP = """\
daemon off;
master_process off;  # one process: no worker that would run as another user
pid {folder}/pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
"""
"""How the configuration of an nginx begins that has a folder of its own: the rest, and two braces, are to follow."""

NGINX = (
    NGINX_HTTP
    + """\
    keepalive_timeout 60;
    server {{
        listen {host}:{port};
        root {folder}/files;
        location /slowly/ {{
            alias {folder}/files/;
            limit_rate 2m;
        }}
{ways}
    }}
}}
"""
)

WAY = """\
        location ~ ^/{name}/{seconds}/(\\d+)/(.*)$ {{
            proxy_pass http://{host}:$1/$2;
            proxy_connect_timeout {seconds}s;
            proxy_read_timeout {seconds}s;
            proxy_buffering {buffering};
        }}
"""
WAYS = [
    WAY.format(host=HOST, name=name, buffering=buffering, seconds=round(seconds))
    for name, buffering in (("through", "on"), ("unbuffered", "off"))
    for seconds in (LIMIT, PATIENT)
]


@contextmanager
def a_port() -> Iterator[int]:
    """Hold a free port for a server that takes its port by number.

    A bound socket that does not listen keeps the kernel from giving the port to anybody else. The
    server can bind beside it, because both have set SO_REUSEADDR.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((HOST, 0))
        yield held.getsockname()[1]


def program(name: str, package: str) -> str:
    """Return the path of a program; PostgreSQL's are not on Debian's PATH, nginx not on a user's."""
    places = [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    places += map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        pytest.fail(f"no program {name}: install Debian's {package}")
    return found


@contextmanager
def running(
    command: Sequence[str], log: Path, *, user: str | None = None, end: signal.Signals = signal.SIGTERM
) -> Iterator[subprocess.Popen[str]]:
    """Run a process until the block ends, or this process does; its stderr goes to a file."""
    drop = ["--reuid", user, "--regid", "nogroup", "--clear-groups"] if user else []
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [program("setpriv", "util-linux"), *drop, "--pdeathsig", end.name.removeprefix("SIG"), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd="/",
        ) as process,
    ):
        try:
            yield process
            assert process.poll() is None, f"{command[0]} has ended by itself: {log.read_text()}"
        finally:
            process.send_signal(end)
            try:
                process.communicate(timeout=HANG)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def until_it_listens(process: subprocess.Popen[str], port: int, log: Path) -> None:
    """Wait until a connection to the port succeeds."""
    deadline = time.monotonic() + HANG
    while True:
        try:
            socket.create_connection((HOST, port), timeout=HANG).close()
        except ConnectionRefusedError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"does not listen on {port}: {log.read_text()}"
            time.sleep(0.01)  # between two attempts, not instead of one
        else:
            return


@dataclass(frozen=True)
class Server:
    """A server that listens."""

    port: int
    folder: Path

    def log(self, about: str) -> list[str]:
        """Return the lines of nginx's error log that contain a text."""
        return [line for line in (self.folder / "error.log").read_text().splitlines() if about in line]


@contextmanager
def nginx(folder: Path) -> Iterator[Server]:
    """Serve FILES, and below /slowly/ at 2 MB/s.

    /through/SECONDS/PORT/PATH and /unbuffered/ are a reverse proxy to that port, which waits so long.
    """
    (folder / "files").mkdir()
    for name, size in FILES.items():
        (folder / "files" / name).write_bytes(os.urandom(size))
    with a_port() as port:
        config, log = folder / "nginx.conf", folder / "error.log"
        config.write_text(NGINX.format(folder=folder, host=HOST, port=port, ways="".join(WAYS)))
        command = [program("nginx", "nginx-light"), "-p", str(folder), "-e", str(log), "-c", str(config)]
        with running(command, folder / "stderr") as process:
            until_it_listens(process, port, folder / "stderr")
            yield Server(port, folder)


KEEPING = (
    NGINX_HTTP
    + """\
    upstream kept {{
        server {host}:{upstream};
        keepalive 1;
    }}
    server {{
        listen {host}:{port};
        location / {{
            proxy_pass http://kept;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_read_timeout {seconds}s;
        }}
    }}
}}
"""
)


@contextmanager
def keeping_nginx(folder: Path, upstream: int, seconds: float) -> Iterator[Server]:
    """Run a reverse proxy before a port, which keeps its connection there, and waits so long for an answer."""
    folder.mkdir()
    with a_port() as port:
        config, log = folder / "nginx.conf", folder / "error.log"
        config.write_text(
            KEEPING.format(folder=folder, host=HOST, port=port, upstream=upstream, seconds=round(seconds))
        )
        command = [program("nginx", "nginx-light"), "-p", str(folder), "-e", str(log), "-c", str(config)]
        with running(command, folder / "stderr") as process:
            until_it_listens(process, port, folder / "stderr")
            yield Server(port, folder)


@contextmanager
def redis(folder: Path) -> Iterator[Server]:
    """Run a Redis that writes nothing to disk."""
    with a_port() as port:
        log = folder / "log"
        options = {"bind": HOST, "port": port, "dir": folder, "save": "", "appendonly": "no", "logfile": log}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        with running([program("redis-server", "redis-server"), *words], folder / "stderr") as process:
            until_it_listens(process, port, folder / "stderr")
            yield Server(port, folder)


@contextmanager
def postgresql() -> Iterator[Server]:
    """Run PostgreSQL on a cluster of its own; it refuses to be root, so root becomes nobody for it."""
    user = "nobody" if os.geteuid() == 0 else None
    programs = Path(program("initdb", "postgresql")).parent
    # Not in pytest's folder, into which nobody else may look.
    with tempfile.TemporaryDirectory(prefix="bustedwall-") as name, a_port() as port:
        folder, log, data = Path(name), Path(name) / "stderr", Path(name) / "data"
        data.mkdir(mode=0o700)
        if user:
            folder.chmod(0o711)
            shutil.chown(data, user)
        with (folder / "initdb").open("w") as said:
            subprocess.run(
                [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
                user=user,
                extra_groups=[] if user else None,
                check=True,
                stdout=said,
                stderr=said,
                cwd="/",
                timeout=2 * HANG,
            )
        settings = {"listen_addresses": HOST, "port": port, "unix_socket_directories": "", "fsync": "off"}
        options = [word for setting, value in settings.items() for word in ("-c", f"{setting}={value}")]
        command = [str(programs / "postgres"), "-D", str(data), *options]
        with running(command, log, user=user, end=signal.SIGINT) as process:
            until_it_listens(process, port, log)
            yield Server(port, folder)
