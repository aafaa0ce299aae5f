"""No byte is lost, and nothing left behind, whatever the peers of so many flows do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.relay.random_peers import main

CHECKOUT = Path(__file__).parents[2]


def test_some_flows_with_random_peers(tmp_path: Path) -> None:
    main(600, tmp_path)


@pytest.mark.root("unshare")
@pytest.mark.long("a minute")
@pytest.mark.timeout(900)
def test_a_hundred_thousand_flows_with_random_peers(tmp_path: Path) -> None:
    program = f"ip link set lo up && exec {sys.executable} -m tests.relay.random_peers 100000 {tmp_path}"
    command = ["unshare", "--net", "sh", "-c", program]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    run = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, env=environment, check=False)
    assert (run.returncode, run.stderr) == (0, "")
