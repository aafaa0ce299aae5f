"""`mss` on the wire: no segment of either leg is longer. In a network namespace: it needs root."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("clamped.py")

TIMESTAMPS = 12
"""Bytes of each segment that the option takes, padded (RFC 7323 appendix A)."""


@pytest.mark.root
@pytest.mark.real("tshark")
@pytest.mark.parametrize("mss", [88, 536, 1460, 32767])
def test_no_segment_of_either_leg_is_longer(tmp_path: Path, mss: int) -> None:
    command = ["unshare", "--net", sys.executable, str(PROGRAM), str(tmp_path), str(mss)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    full = mss - TIMESTAMPS
    for version in ("4", "6"):
        lengths = told[version]["client"] + told[version]["server"]
        assert len(lengths) == 4
        assert all(full // 2 < length <= full for length in lengths)
        assert told[version]["whole"]
    assert told["exit"] == 0
