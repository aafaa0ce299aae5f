"""Link-local IPv6 addresses, which mean nothing without their interface. In a network namespace: it needs root."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("scoped.py")


@pytest.mark.root
@pytest.mark.parametrize(
    ("word", "value", "seen"),
    [
        ("latency", "1ms from client", ["ok", "b'request'", "nothing"]),
        ("vanish", "client", ["ok", "nothing", "ECONNRESET"]),
        ("reset", "server", ["ok", "ECONNRESET", "nothing"]),
        ("drop", "all from client", ["ok", "nothing", "nothing"]),
        ("drop", "all to server", ["ok", "nothing", "nothing"]),
        ("drop", "all to client", ["ok", "b'request'", "nothing"]),
    ],
)
def test_faults_hold_at_a_link_local_address(tmp_path: Path, word: str, value: str, seen: list[str]) -> None:
    command = ["unshare", "--net", sys.executable, str(PROGRAM), str(tmp_path), word, value, *seen]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["shown"] == "veth-a", "the address that is printed can be connected to"
    assert told["seen"] == seen
    assert not any(told["errors"])
    assert told["exit"] == 0
