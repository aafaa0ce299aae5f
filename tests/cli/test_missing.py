"""A fault that this machine's kernel cannot do is refused before anything starts, with the way out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bustedwall.cli import run as module
from bustedwall.cli.run import run
from bustedwall.kernel.abilities import NO_EFFECT, Abilities, Tried
from bustedwall.kernel.trials import Family
from bustedwall.terms.needs import Ability

ONE = ["--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1"]


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend to be on a kernel that takes the options and loses nothing."""
    tried = tuple(Tried(ability, Family.IPV4, NO_EFFECT) for ability in Ability)
    monkeypatch.setattr(module, "find_out", lambda: Abilities(tried, (Family.IPV4,), 0.0))


@pytest.mark.usefixtures("lacking")
@pytest.mark.parametrize(
    ("words", "need"),
    [
        (["--policy", "cable-pull"], "'blackhole client' needs lose-from and lose-to"),
        (["--fault", "drop all from client"], "'drop all from client' needs lose-from"),
        (["--fault", "vanish client"], "'vanish client' needs vanish"),
        (["--fault", "reject from server"], "'reject from server' needs lose-from and reject"),
        (["--fault", "ignore", "--when", "applied"], "needs lose-syn"),
        (["--fault", "unreachable host", "--when", "applied"], "needs lose-syn and unreachable"),
    ],
)
def test_it_ends_with_4_and_says_what_is_missing_and_where_to_ask(words: list[str], need: str) -> None:
    told = CliRunner().invoke(run, [*ONE, *words])

    assert told.exit_code == 4, told.output
    assert need in told.stderr
    assert "which this machine's kernel does not give us" in told.stderr
    assert "'bustedwall doctor' says why and how to get it; or set on_missing to " in told.stderr
    assert not told.stdout


@pytest.mark.usefixtures("lacking")
def test_a_config_is_refused_in_the_same_way_at_its_place(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "version: 1\nproxies:\n  - {name: a, listen: '127.0.0.1:0', upstream: '127.0.0.1:1', policies: [cable-pull]}\n"
    )
    told = CliRunner().invoke(run, [str(config)])

    assert told.exit_code == 4, told.output
    assert "which this machine's kernel does not give us" in told.stderr


def test_what_a_raw_socket_is_needed_for_is_refused_with_its_capability_and_the_nearest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = (Tried(Ability.REJECT, Family.IPV4, "EPERM"),)
    monkeypatch.setattr(module, "find_out", lambda: Abilities(tried, (Family.IPV4,), 0.0))
    told = CliRunner().invoke(run, [*ONE, "--fault", "reject from server"])

    assert told.exit_code == 4, told.output
    assert "'reject from server' needs reject, which this machine's kernel does not give us" in told.stderr
    assert "it takes CAP_NET_RAW: docker run --cap-add NET_RAW, AmbientCapabilities=CAP_NET_RAW in a" in told.stderr
    assert "approximate (which does 'vanish server') or skip" in told.stderr


@pytest.mark.usefixtures("lacking")
@pytest.mark.parametrize("policy", ["fail", "approximate", "skip"])
def test_pcap_is_refused_whatever_becomes_of_steps(tmp_path: Path, policy: str) -> None:
    config = tmp_path / "config.yaml"
    proxy = f"{{name: a, listen: '127.0.0.1:0', upstream: '127.0.0.1:1', pcap: {tmp_path}/pcaps}}"
    config.write_text(f"version: 1\nproxies:\n  - {proxy}\n")
    for words, place in (([str(config)], f"{config}:3:"), ([*ONE, "--pcap", f"{tmp_path}/pcaps"], "--pcap: error: ")):
        told = CliRunner().invoke(run, [*words, "--on-missing", policy])

        assert told.exit_code == 4, told.output
        assert told.stderr.startswith(place)
        assert "'pcap' needs capture, which this machine's kernel does not give us" in told.stderr
        assert "it takes CAP_NET_RAW: docker run --cap-add NET_RAW, AmbientCapabilities=CAP_NET_RAW" in told.stderr
    assert not (tmp_path / "pcaps").exists()


def test_a_snaplen_without_pcap_is_a_mistake_on_the_command_line_too() -> None:
    told = CliRunner().invoke(run, [*ONE, "--snaplen", "128"])

    assert told.exit_code == 1, told.output
    assert told.stderr.startswith("--snaplen: error: it says how much of each packet 'pcap' keeps")


@pytest.mark.root("unshare")
def test_where_loopback_is_down_nothing_can_be_tried_and_doctor_says_why() -> None:
    alone = ["unshare", "--net", sys.executable, "-m", "bustedwall"]
    refused = subprocess.run(
        [*alone, "run", *ONE, "--policy", "cable-pull"], capture_output=True, text=True, timeout=60, check=False
    )
    asked = subprocess.run([*alone, "doctor"], capture_output=True, text=True, timeout=60, check=False)

    assert refused.returncode == 4, refused.stderr
    assert asked.returncode == 1
    assert "ENETUNREACH; the loopback device is down: ip link set lo up" in " ".join(asked.stdout.split())
