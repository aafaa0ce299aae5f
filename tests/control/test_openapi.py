"""The API does what its own description says, whatever is sent to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.control.api import served

LEFT_OUT = "positive_data_acceptance"
"""A schema cannot say what a policy is, so much of what it allows is refused."""


WAITS = "/api/v1/wait"

RUNS = {
    "all that answers at once": ["--exclude-path", WAITS],
    "waits that mean nothing": ["--include-path", WAITS, "--mode", "negative"],
}
"""What is right to wait for takes ten seconds, a hundred times."""


@pytest.mark.long("a thousand requests")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("which", RUNS)
def test_whatever_is_sent_there_is_no_error_of_ours_and_no_answer_that_is_not_described(
    tmp_path: Path, which: str
) -> None:
    with served(tmp_path) as api:
        url = f"http://127.0.0.1:{api.port}/openapi.json"
        options = ["--seed", "1", "--generation-deterministic", "--max-examples", "15", "--checks", "all"]
        options += ["--exclude-checks", LEFT_OUT, "--warnings", "off", "--request-timeout", "60", *RUNS[which]]
        command = [sys.executable, "-m", "schemathesis.cli", "run", url, *options]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=200)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert api.get("/healthz") == {"status": "ok"}
