"""The benchmark behind the table of docs/loss.md: it comes to its table, and more loss is slower. It needs root."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "loss_curve.py"


@pytest.mark.root
@pytest.mark.real("nft")
@pytest.mark.timeout(120)
def test_each_way_of_losing_is_slower_the_more_is_lost() -> None:
    command = [sys.executable, str(PROGRAM), "--seconds", "1", "--only", "0", "30", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    points = {(point["way"], point["percent"]): point for point in json.loads(done.stdout)}
    ways = {way for way, _ in points}
    assert ways == {"path", "drop", "drop, single"}
    for way in ways:
        none, much = points[way, 0.0], points[way, 30.0]
        assert none["megabytes"] > much["megabytes"]
        assert much["again"] > none["again"], "what is lost is sent again"
