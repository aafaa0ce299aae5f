"""What the process asks the kernel by is open as long as it runs, and closed by itself at its end."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "opens",
    ["peer._asking", pytest.param("unacking._own_table", marks=pytest.mark.root("CAP_NET_ADMIN"))],
)
def test_nothing_is_told_unclosed_at_the_end(opens: str) -> None:
    program = f"from bustedwall.kernel import peer, unacking; {opens}()"
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
