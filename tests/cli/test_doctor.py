"""`bustedwall doctor` on the machine that runs the tests, and on one that lacks things."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from bustedwall.cli import doctor as module
from bustedwall.cli.doctor import FOR, doctor, way
from bustedwall.kernel.abilities import NO_ANSWER, NO_EFFECT, Abilities, Tried
from bustedwall.kernel.trials import Aid, Family
from bustedwall.terms.needs import Ability

BROKEN = Abilities(
    (
        Tried(Ability.LOSE_FROM, Family.IPV4, None),
        Tried(Ability.LOSE_TO, Family.IPV4, NO_EFFECT),
        Tried(Ability.LOSE_SYN, Family.IPV4, "EPERM"),
        Tried(Ability.VANISH, Family.IPV4, None),
        Tried(Aid.SPLICE, Family.IPV4, None),
        Tried(Aid.LARGE_PIPES, Family.IPV4, "EPERM"),
        Tried(Aid.TIMER, Family.IPV4, None),
        Tried(Ability.LOSE_FROM, Family.IPV6, NO_ANSWER),
    ),
    tuple(Family),
    0.25,
)


def test_it_says_that_all_works_here_and_exits_with_0() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "bustedwall", "doctor"], capture_output=True, text=True, timeout=60, check=False
    )

    assert told.returncode == 0, told.stdout + told.stderr
    assert "All that needs no privilege works here." in told.stdout
    assert all(f"  {ability.value} " in told.stdout for ability in Ability)
    assert not told.stderr
    assert max(map(len, told.stdout.splitlines())) <= 80


def test_it_needs_neither_twisted_nor_pydantic() -> None:
    program = "import sys, bustedwall.cli.doctor; sys.exit(bool({'twisted', 'pydantic'} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_json_says_the_same() -> None:
    told = CliRunner().invoke(doctor, ["--json"])
    data = json.loads(told.stdout)

    assert told.exit_code == 0
    assert data["works"] is True
    assert {(a["name"], a["works"], a["hindrance"], a["way"]) for a in data["abilities"]} == {
        (what.value, True, None, None) for what in FOR
    }
    assert {a["family"] for a in data["abilities"]} == {None, *data["families"]}
    assert data["host"]["descriptors"] > 0


def test_what_does_not_work_is_told_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_out", lambda: BROKEN)
    told = CliRunner().invoke(doctor)
    words = " ".join(told.stdout.split())

    assert told.exit_code == 1
    assert "lose-from ok with IPv4. missing with IPv6: no answer in time; this kernel does not do it" in words
    assert "lose-to missing with IPv4: no effect; this kernel does not do it" in words
    assert "lose-syn missing with IPv4: EPERM; something forbids it, a seccomp profile" in words
    assert "large-pipes missing: EPERM; this user's pipes hold as much as fs.pipe-user-pages-soft allows" in words
    assert "Not all that needs no privilege works here" in words
    data = json.loads(CliRunner().invoke(doctor, ["--json"]).stdout)
    assert data["works"] is False
    assert [a["hindrance"] for a in data["abilities"] if a["way"]] == [NO_EFFECT, "EPERM", "EPERM", NO_ANSWER]


def test_what_makes_the_relay_fast_and_no_fault_needs_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    only_slow = Abilities((Tried(Aid.LARGE_PIPES, Family.IPV4, "EPERM"),), (Family.IPV4,), 0.1)
    monkeypatch.setattr(module, "find_out", lambda: only_slow)

    assert CliRunner().invoke(doctor, ["--json"]).exit_code == 0


@pytest.mark.parametrize("hindrance", ["ENETUNREACH", "EMFILE", "ENOPROTOOPT", NO_EFFECT, NO_ANSWER])
def test_every_hindrance_has_a_way(hindrance: str) -> None:
    assert way(Tried(Ability.VANISH, Family.IPV6, hindrance))
