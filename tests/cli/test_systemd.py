"""What systemd is told, and the unit file: with a socket that stands for systemd, and with its own checker."""

from __future__ import annotations

import configparser
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.relay.peers import HANG
from twisted.internet.task import Clock

from bustedwall.cli.main import main
from bustedwall.cli.systemd import Notifier

UNITS = Path(__file__).parents[2] / "configs" / "systemd"

DOOR = ("--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1")


class Manager:
    """Listens where systemd would."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(self.address)
        self._sock.settimeout(3 * HANG)

    def told(self) -> list[str]:
        """Return the next message, line by line, signs of life left out."""
        while (lines := self._sock.recv(4096).decode().split("\n")) == ["WATCHDOG=1"]:
            pass
        return lines

    def sign_of_life(self) -> None:
        """Wait for one."""
        while self._sock.recv(4096) != b"WATCHDOG=1":
            pass

    def close(self) -> None:
        self._sock.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.close()


@contextmanager
def service(manager: Manager, *words: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    env = os.environ | {"NOTIFY_SOCKET": manager.address} | environ
    command = [sys.executable, "-m", "bustedwall", "run", "--quiet", *words]
    child = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def test_it_is_told_of_the_start_of_life_of_reloads_and_of_the_end(tmp_path: Path, manager: Manager) -> None:
    config = tmp_path / "config.yaml"
    right = "version: 1\nproxies: [{name: web, listen: '127.0.0.1:0', upstream: '127.0.0.1:1'}]\n"
    config.write_text(right)
    with service(manager, str(config), "--drain", "7s", WATCHDOG_USEC="600000") as child:
        # More than ten messages wait for no reader, unix(7), and then more are lost: that is three seconds of ours.
        assert manager.told() == ["READY=1", "STATUS=1 listening"]
        for _ in range(3):
            manager.sign_of_life()
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        child.send_signal(signal.SIGHUP)
        reloading, moment = manager.told()
        assert reloading == "RELOADING=1"
        assert int(moment.removeprefix("MONOTONIC_USEC=")) >= before
        assert manager.told() == ["READY=1", "STATUS=reloaded"]
        config.write_text(right.replace("listen", "lisen"))
        child.send_signal(signal.SIGHUP)
        assert manager.told()[0] == "RELOADING=1"
        ready, status = manager.told()
        assert ready == "READY=1"
        assert status.startswith(f"STATUS=the last reload failed: {config}:2:")
        child.send_signal(signal.SIGTERM)
        assert manager.told() == ["STOPPING=1", "STATUS=0 flows may go on", "EXTEND_TIMEOUT_USEC=12000000"]
        assert child.wait(3 * HANG) == 0


def test_a_manager_that_has_gone_is_nobodys_affair(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("all is well")
    Notifier({}).ready("nobody listens")


def test_an_abstract_address_is_known() -> None:
    name = f"bustedwall-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{name}")
        sock.settimeout(HANG)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready("two\nlines")
        assert sock.recv(100) == b"READY=1\nSTATUS=two lines"


def test_signs_of_life_come_twice_in_the_time_that_systemd_waits(manager: Manager) -> None:
    clock = Clock()
    Notifier({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "30000000"}).watch(clock)
    manager.sign_of_life()
    clock.advance(14.9)
    (call,) = clock.getDelayedCalls()
    assert call.getTime() == 15.0
    clock.advance(0.1)
    manager.sign_of_life()


class _NoTimer:
    def callLater(self, *_: object) -> None:  # noqa: N802 (Twisted's name)
        raise AssertionError("nobody waits for a sign of life")


@pytest.mark.parametrize("environ", [{}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "x"}])
def test_signs_of_life_are_for_who_asked_this_process(environ: dict[str, str]) -> None:
    Notifier(environ).watch(_NoTimer())  # type: ignore[arg-type]  # of a reactor only this is used


# ---- the unit


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # keys keep their capitals
    parser.read_string((UNITS / name).read_text())
    return parser


def test_the_unit_asks_for_what_the_command_does() -> None:
    told = unit("bustedwall.service")["Service"]
    assert told["Type"] == "notify"
    assert told["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert told["KillSignal"] == "SIGTERM"
    assert "WatchdogSec" in told
    program, command, config, *options = told["ExecStart"].split()
    assert (Path(program).name, command) == ("bustedwall", "run")
    known = CliRunner().invoke(main, ["run", "--help"]).output
    assert not [word for word in options if word.startswith("--") and f"{word} " not in known]
    drain = int(options[options.index("--drain") + 1].removesuffix("s"))
    assert drain < int(told["TimeoutStopSec"].removesuffix("s")), "or systemd kills what may go on"
    assert config.endswith(".yaml")


def test_the_unit_has_no_privilege_unless_somebody_takes_the_lines() -> None:
    told = unit("bustedwall.service")["Service"]
    assert told["CapabilityBoundingSet"] == ""
    assert "AmbientCapabilities" not in told
    assert "\n#AmbientCapabilities=CAP_NET_ADMIN\n" in (UNITS / "bustedwall.service").read_text()
    for key in ("NoNewPrivileges", "DynamicUser", "PrivateTmp", "RestrictNamespaces", "LockPersonality"):
        assert told[key] == "yes"
    assert told["ProtectSystem"] == "strict"


def test_the_socket_unit_names_the_socket_and_its_service() -> None:
    told = unit("bustedwall.socket")["Socket"]
    assert told["Service"] == "bustedwall.service"
    assert f"fd:{told['FileDescriptorName']}" in (UNITS / "bustedwall.socket").read_text()


@pytest.mark.real("systemd-analyze")
def test_systemd_takes_the_unit_without_a_word(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("bustedwall")
    text = (UNITS / "bustedwall.service").read_text().replace("/usr/local/bin/bustedwall", str(program))
    (tmp_path / "bustedwall.service").write_text(text)
    (tmp_path / "bustedwall.socket").write_text((UNITS / "bustedwall.socket").read_text())
    units = [str(tmp_path / name) for name in ("bustedwall.service", "bustedwall.socket")]
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *units]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (told.returncode, told.stderr) == (0, "")


# ---- as the first process of a container


@pytest.mark.root("unshare")
def test_as_pid_1_it_hears_signals_and_buries_orphans(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    command = ["unshare", "--pid", "--fork", sys.executable, "-m", "bustedwall", "run", *DOOR]
    outer = subprocess.Popen([*command, "--journal", str(journal)], stdout=subprocess.PIPE, text=True)
    try:
        assert outer.stdout is not None
        assert outer.stdout.readline().startswith("listening proxy ")
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        (pid,) = map(int, children.read_text().split())
        assert Path(f"/proc/{pid}/status").read_text().split("NSpid:")[1].split("\n")[0].split()[-1] == "1"
        orphans = ["sh", "-c", "sleep 0.2 & sleep 0.2 & echo made"]
        made = subprocess.run(
            ["nsenter", "--pid", f"--target={pid}", *orphans],
            capture_output=True,
            text=True,
            timeout=3 * HANG,
            check=True,
        )
        assert made.stdout == "made\n"
        deadline = time.monotonic() + 3 * HANG
        while Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            assert time.monotonic() < deadline, "a zombie is left"
            time.sleep(0.05)
        os.kill(pid, signal.SIGHUP)
        while "reloaded" not in journal.read_text():
            assert time.monotonic() < deadline, "it has not heard SIGHUP"
            time.sleep(0.05)
        os.kill(pid, signal.SIGTERM)
        assert outer.wait(3 * HANG) == 0
    finally:
        outer.kill()
        outer.communicate()
