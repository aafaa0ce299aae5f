"""A reload that cannot be over keeps no run from ending, and none is lost silently."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.relay.peers import until

CONFIG = """
version: 1
proxies:
  - {name: web, listen: "127.0.0.1:0", upstream: "127.0.0.1:1"}
"""


def test_a_config_that_is_never_read_does_not_keep_the_run_from_ending(tmp_path: Path) -> None:
    config, commands, journal = tmp_path / "run.yaml", tmp_path / "commands", tmp_path / "journal.jsonl"
    config.write_text(CONFIG)
    words = [sys.executable, "-m", "bustedwall", "run", "-q", str(config), "--drain", "0s"]
    words += ["--journal", str(journal), "--command-file", str(commands)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline().startswith("listening web ")
            config.unlink()
            os.mkfifo(config)  # opened to be read, it waits for a writer
            commands.write_text("reload\nsignal begun\n")
            until(lambda: "signal-fired" in journal.read_text(), "the reload has begun", 30)
            child.send_signal(signal.SIGTERM)
            assert child.wait(30) == 0
        finally:
            child.kill()
    facts = [json.loads(line) for line in journal.read_text().splitlines()]
    (failed,) = (fact for fact in facts if fact["fact"] == "reload-failed")
    assert (failed["why"], failed["mistakes"]) == ("the run is about to end", 0)
