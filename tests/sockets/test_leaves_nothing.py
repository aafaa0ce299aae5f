"""Nothing of the machine is changed, not while every fault is armed, and not after kill -9. It needs root."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bustedwall.testing.written import examples

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("leaving.py")


@pytest.mark.root
@pytest.mark.timeout(120)
def test_tables_of_the_machine_are_as_before_in_the_middle_and_after_kill_9(tmp_path: Path) -> None:
    command = ["unshare", "--net", "--mount", sys.executable, str(PROGRAM), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["armed"] == sorted(examples())
    assert told["exit"] == -signal.SIGKILL
    before, middle, after = told["tables"]
    for question in ("nft list ruleset", "ip netns", "ip link"):
        assert "kept" in before[question], "the table can be read"
    rules = "nft list ruleset"
    added = middle.pop(rules).removeprefix(before[rules])
    assert middle == {question: table for question, table in before.items() if question != rules}
    assert added.startswith("table inet bustedwall-"), "what was there is as it was"
    assert (added.count("table "), added.count("flags owner"), added.count("chain ")) == (1, 1, 1), "one for all"
    assert after == before
    ours, inside = told["namespaces"]
    assert inside == ours, "no namespace is made"
