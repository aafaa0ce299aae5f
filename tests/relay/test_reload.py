"""SIGHUP: what the process was started with is read again, and all of it is in force, or nothing."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.relay.peers import Upstream, dial, read_all, recv, send, until
from tests.relay.rig import Door, Talk, Wall, policy


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """Listen, where nobody has to accept."""
    upstream = Upstream(4)
    yield upstream
    upstream.sock.close()


def opened(wall: Wall, upstream: Upstream) -> Talk:
    """Open a flow through the proxy `web`."""
    return Talk(wall, "web", dial(wall.addresses["web"]), upstream.accept())


def test_a_config_is_read_again_and_one_that_is_wrong_changes_nothing(tmp_path: Path, upstream: Upstream) -> None:
    web = Door("web", upstream.address)
    wall = Wall(tmp_path, [web], "--quiet", "--log", "text")
    talk = opened(wall, upstream)
    assert talk.server is not None

    wall.configure([Door("web", upstream.address, ["slow-lnk", {"slow-link": {"delay": 5}}]), Door("new", "nowhere")])
    wall.signal(signal.SIGHUP)
    failed = wall.fact("reload-failed")
    assert (failed["mistakes"], failed["failures"]) == (3, 1)
    assert failed["why"].startswith(f"{wall.config}:1:")
    assert failed["why"].endswith("there is no policy 'slow-lnk'")

    wall.configure([web, Door("more", "127.0.0.1:9", (), upstream.address)])
    wall.signal(signal.SIGHUP)
    failed = wall.fact("reload-failed", 2)
    sentence = f"proxy 'more' cannot listen on {upstream.address}: Address already in use"
    assert (failed["why"], failed["mistakes"], failed["failures"]) == (sentence, 1, 2)

    assert send(talk.client, b"still here") == "ok"
    assert recv(talk.server) == b"still here"
    rule = policy(tmp_path, "mine", [{"reset": {"leg": "client", "flush": True}}], {"bytes": "3B", "from": "server"})
    wall.configure([Door("web", upstream.address, [rule]), Door("more", upstream.address)], seed=8)
    wall.signal(signal.SIGHUP)
    reloaded = wall.fact("reloaded")
    assert reloaded["added"] == ["more"]
    assert reloaded["removed"] == []
    assert reloaded["changed"] == ["web"]
    assert reloaded["needs_restart"] == ["seed"]
    assert wall.fact("rules-changed")["added"] == ["mine/rule"]
    assert send(talk.server, b"abc") == "ok"
    assert read_all(talk.client) == (b"abc", "ECONNRESET")

    assert wall.more_lines(1)[0].startswith("listening more 127.0.0.1:")
    assert wall.stop() == 0
    told = wall.errors()  # a thread of its own writes them, and has written all by the end
    assert told.count("there is no policy 'slow-lnk'") == 1
    assert told.count("did you mean 'slow-link'?") == 1
    assert told.count(sentence) == 1
    assert told.count("error: the reload failed and has changed nothing:\n") == 2


def test_policies_of_a_command_line_are_read_again(tmp_path: Path, upstream: Upstream) -> None:
    mine = policy(tmp_path, "mine", [{"latency": "1ms from server"}])
    journal = str(tmp_path / "journal.jsonl")
    words = ["--listen", "127.0.0.1:0", "--upstream", upstream.address, "--policy", mine, "--name", "web"]
    program = [sys.executable, "-m", "bustedwall", "run", *words, "--journal", journal, "--drain", "0s"]
    wall = Wall(tmp_path, [Door("web", upstream.address)], program=program)
    policy(tmp_path, "mine", [{"reset": "client"}])
    wall.signal(signal.SIGHUP)
    assert wall.fact("reloaded")["changed"] == ["web"]
    client = dial(wall.addresses["web"])
    assert recv(client) == "ECONNRESET"
    Path(mine).unlink()
    rotated = (tmp_path / "journal.jsonl").rename(tmp_path / "journal.1")
    wall.signal(signal.SIGHUP)
    until(lambda: "reload-failed" in _text(Path(journal)), "the journal is opened anew, by its name")
    wall.signal(signal.SIGTERM)
    assert wall.wait() == 0
    assert "reloaded" in rotated.read_text()
    assert "reload-failed" not in rotated.read_text()


@pytest.mark.long("twenty reloads")
def test_signals_that_come_close_together_end_in_what_the_file_says_last(tmp_path: Path, upstream: Upstream) -> None:
    wall = Wall(tmp_path, [Door("web", upstream.address)], "--quiet")
    for number in range(20):
        policy(tmp_path, "mine", [{"latency": f"{number + 1}ms from server"}])
        wall.configure([Door("web", upstream.address, ["./mine.yaml"])])
        wall.signal(signal.SIGHUP)
    rule = policy(tmp_path, "mine", [{"reset": {"leg": "client", "flush": True}}], {"bytes": "3B", "from": "server"})
    wall.configure([Door("last", upstream.address, [rule])])
    wall.signal(signal.SIGHUP)
    assert wall.more_lines(1)[0].startswith("listening last 127.0.0.1:")
    assert wall.stop() == 0


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
