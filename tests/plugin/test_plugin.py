"""The plugin, by pytest in a process of its own, as a user has it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.relay.peers import until

from bustedwall.policy import library

pytest_plugins = ["pytester"]

pytestmark = pytest.mark.timeout(500)  # three processes a run of pytest, and three runs a test

CONFTEST = '''
import socket, threading
import pytest

@pytest.fixture
def echo():
    """The address of a server that sends back what it gets."""
    server = socket.create_server(("127.0.0.1", 0))
    threads = []

    def serve(end):
        with end:
            try:
                while data := end.recv(65536):
                    end.sendall(data)
            except OSError:
                pass

    def accept():
        while True:
            try:
                end, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(end,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield server.getsockname()
    server.shutdown(socket.SHUT_RDWR)
    server.close()

@pytest.fixture
def ping():
    """Ask for an echo; return it, as far as it came."""
    def ask(where, data=b"x" * 50):
        with socket.create_connection(where, timeout=20) as end:
            end.sendall(data)
            got = b""
            while len(got) < len(data) and (more := end.recv(100)):
                got += more
            return got
    return ask
'''

GOOD = """
import asyncio, threading
import pytest, pytest_twisted
from twisted.internet.threads import deferToThread
from bustedwall import NotMetError

MINE = "{version: 1, name: mine, summary: s, rules: [{name: r, when: {signal: go}, do: [{reset: both}]}]}"

def test_without_a_policy_it_does_not_show(bustedwall, echo, ping):
    wall = bustedwall.proxy(upstream=f"{echo[0]}:{echo[1]}")
    assert ping(wall.address) == b"x" * 50
    assert wall.wait_for(flows=0)["met"]
    assert wall.flows == []

def test_a_block(bustedwall, echo, ping):
    wall = bustedwall.proxy(echo)
    with wall.policy("reset-mid-response", after="10B"):
        with pytest.raises(ConnectionResetError):
            ping(wall.address)
        wall.wait_for(fired="reset-mid-response")
        assert wall.wait_for(fact="reset-sent", leg="client")["flow"] == 1
    ping(wall.address)

def test_turns(bustedwall, echo, ping):
    plain = bustedwall.proxy(echo)
    with pytest.raises(TypeError, match="turns=True"):
        plain.turns_seen
    wall = bustedwall.proxy(echo, turns=True)
    for data in (b"a", b"bb", b"a"):
        ping(wall.address, data)
    turns = wall.turns_seen
    assert [(turn["flow"], turn["turn"], turn["bytes"]) for turn in turns] == [(1, 1, 1), (2, 1, 2), (3, 1, 1)]
    assert turns[0]["digest"] == turns[2]["digest"] != turns[1]["digest"]

def test_a_name_of_the_library_may_be_taken(bustedwall, echo):
    wall = bustedwall.proxy(echo)
    for text in ("", "- a", "summary: s"):
        with pytest.raises(ValueError, match="expected a policy"):
            wall.define(text)
    wall.define(MINE.replace("mine", "slow-link"))
    wall.apply("slow-link", may_not_fire=True)

def test_a_signal(bustedwall, echo):
    import socket
    wall = bustedwall.proxy(echo)
    with pytest.raises(NotMetError, match="no rule waits for the signal 'go'"):
        wall.fire("go")
    wall.define(MINE)
    wall.apply("mine")
    with socket.create_connection(wall.address, timeout=20) as end:
        wall.wait_for(flows=1)
        assert wall.flows[0]["flow"] == 1
        assert wall.fire("go") == 1
        with pytest.raises(ConnectionResetError):
            end.recv(1)

def test_a_name_of_the_library_is_free_again(bustedwall, echo, ping):
    bustedwall.proxy(echo).apply("slow-link", delay="1ms", may_not_fire=True)  # MINE has no delay

def test_a_loss_is_proven_when_the_test_is_over(bustedwall, echo):
    import socket
    wall = bustedwall.proxy(echo)
    with socket.create_connection(wall.address, timeout=20) as end:
        wall.wait_for(fact="flow-opened")
        wall.apply("state-flush", may_not_fire=True)
        wall.apply("cable-pull")
        end.sendall(b"x")
        end.settimeout(0.3)
        with pytest.raises(TimeoutError):
            while end.recv(1):
                pass

def test_it_recovers(bustedwall, echo, ping):
    wall = bustedwall.proxy(echo)
    with pytest.raises(NotMetError, match="not recovered"):
        wall.assert_recovered(within=0.05)
    over = threading.Event()
    def work():
        while not over.wait(0.01):
            ping(wall.address)
    thread = threading.Thread(target=work)
    thread.start()
    try:
        wall.assert_recovered(within=20)
    finally:
        over.set()
        thread.join()

def test_asyncio(bustedwall, echo):
    wall = bustedwall.proxy(echo)
    wall.apply("reset-mid-response", after="1B")
    async def main():
        reader, writer = await asyncio.open_connection(*wall.address)
        writer.write(b"xy")
        await asyncio.to_thread(wall.wait_for, fired="reset-mid-response")
        with pytest.raises(ConnectionResetError):
            while await reader.read(1):
                pass
        writer.close()
    asyncio.run(main())

@pytest_twisted.ensureDeferred
async def test_twisted(bustedwall, echo):
    from twisted.internet import defer, endpoints, error, protocol, reactor
    class Client(protocol.Protocol):
        def __init__(self):
            self.lost = defer.Deferred()
        def connectionLost(self, reason):
            self.lost.callback(reason.value)
    wall = bustedwall.proxy(echo)
    wall.apply("reset-mid-response", after="1B")
    client = await endpoints.connectProtocol(endpoints.TCP4ClientEndpoint(reactor, *wall.address), Client())
    client.transport.write(b"xy")
    await deferToThread(wall.wait_for, fired="reset-mid-response")
    assert isinstance(await client.lost, error.ConnectionLost)

@pytest.mark.bustedwall(policy=["slow-link", {"half-close": {}}], may_not_fire=True)
def test_a_list_is_a_test_for_each(bustedwall, echo, ping):
    ping(bustedwall.proxy(echo).address)

@pytest.mark.bustedwall(policy={"slow-link": {"delay": "1ms"}})
def test_a_mark(bustedwall, echo, ping):
    ping(bustedwall.proxy(echo).address)
"""

TRIO = """
import functools
import pytest, trio

def test_trio(bustedwall, echo):
    wall = bustedwall.proxy(echo)
    wall.apply("reset-mid-response", after="1B")
    async def main():
        stream = await trio.open_tcp_stream(*wall.address)
        await stream.send_all(b"xy")
        await trio.to_thread.run_sync(functools.partial(wall.wait_for, fired="reset-mid-response"))
        with pytest.raises(trio.BrokenResourceError):
            while await stream.receive_some():
                pass
        await stream.aclose()
    trio.run(main)
"""

BAD = """
import pytest

@pytest.mark.bustedwall(policy="aws-nlb-idle")
def test_not_met(bustedwall, echo, ping):
    wall = bustedwall.proxy(echo)
    ping(wall.address)
    wall.wait_for(fact="flow-closed")

@pytest.mark.bustedwall(policy="slow-link")
def test_no_proxy(bustedwall):
    pass

@pytest.mark.bustedwall(policy="slow-link")
def test_no_fixture():
    pass

def test_the_second_block_fires_never(bustedwall, echo, ping):
    wall = bustedwall.proxy(echo)
    with wall.policy("reset-mid-response", after="10B"):
        with pytest.raises(ConnectionResetError):
            ping(wall.address)
    with wall.policy("reset-mid-response", after="1MB"):
        ping(wall.address)

def test_obligatory_after_one_that_may_not_fire(bustedwall, echo, ping):
    wall = bustedwall.proxy(echo)
    with wall.policy("reset-mid-response", may_not_fire=True, after="10B"):
        with pytest.raises(ConnectionResetError):
            ping(wall.address)
    wall.apply("reset-mid-response", after="1MB")
    ping(wall.address)

@pytest.mark.bustedwall(policy={"reset-mid-response": {"after": "1MB"}})
def test_the_mark_is_removed_unfired(bustedwall, echo, ping):
    wall = bustedwall.proxy(echo)
    ping(wall.address)
    wall.remove("reset-mid-response")
    wall.apply("reset-mid-response", after="10B")
    with pytest.raises(ConnectionResetError):
        ping(wall.address)

def test_its_own_failure(bustedwall, echo, ping):
    wall = bustedwall.proxy(echo)
    with wall.policy("reset-mid-response", after="10B"):
        ping(wall.address)

def test_unknown(bustedwall, echo):
    bustedwall.proxy(echo).apply("slow-lnk")
"""


def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, text: str, *words: str) -> pytest.RunResult:
    """Run the tests; nothing of the plugin may be left when they are done."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_it=text)
    with tempfile.TemporaryDirectory(prefix="b") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-Werror", *words, timeout=150)
        assert not list(Path(folder).glob("bustedwall-*"))
    return result


@pytest.mark.long("a run of pytest that starts a proxy")
def test_all_that_it_can_do_in_any_kind_of_test(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    run(pytester, monkeypatch, GOOD).assert_outcomes(passed=13)


@pytest.mark.real("trio")
def test_under_trio(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest-twisted's reactor has the signals, which Trio wants, too.
    run(pytester, monkeypatch, TRIO, "-p", "no:twisted").assert_outcomes(passed=1)


@pytest.mark.long("as above")
def test_with_several_workers(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    run(pytester, monkeypatch, GOOD, "-n", "2").assert_outcomes(passed=13)


@pytest.mark.long("as above")
def test_what_fails_says_why_and_how_to_repeat_it(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(pytester, monkeypatch, BAD, "--bustedwall-seed=7")
    result.assert_outcomes(failed=8)
    result.stdout.fnmatch_lines([
        "aws-nlb-idle never fired: this test has not met the policy that it is about",
        "*s  flow 1 * flow-closed from_client=50 from_server=50*",
        "again: pytest test_it.py::test_not_met --bustedwall-seed=7",
        "the test has a policy by its mark, and has made no proxy",
        "the test has a policy by its mark, and has made no proxy",
        "reset-mid-response never fired, of its 2 uses the 2.: *",
        "reset-mid-response never fired, of its 2 uses the 2.: *",
        "reset-mid-response never fired, of its 2 uses the 1.: *",
        "E  *ConnectionResetError*",
        "*s  flow 1 * rule-fired rule=reset-mid-response/cut*",
        "*ending-evidence leg=client how=reset*verdict=effective*",
        "again: pytest test_it.py::test_its_own_failure --bustedwall-seed=7",
        "E  *there is no policy 'slow-lnk' (400); did you mean 'slow-link'?",
    ])  # fmt: skip
    (again,) = set(re.findall(r"^again: pytest (.*its_own.*)$", result.stdout.str(), re.MULTILINE))
    run(pytester, monkeypatch, BAD, *shlex.split(again)).assert_outcomes(failed=1)


DEAD = """
import os, signal

def test_dead(bustedwall, echo):
    wall = bustedwall.proxy(echo)
    os.kill(wall.process._child.pid, signal.SIGKILL)
    wall.process._child.wait()
    wall.facts()

def test_another_is_started(bustedwall, echo, ping):
    ping(bustedwall.proxy(echo).address)
"""


@pytest.mark.long("as above")
def test_a_process_that_dies_fails_its_test_and_not_the_next(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(pytester, monkeypatch, DEAD)
    result.assert_outcomes(failed=1, errors=1, passed=1)
    result.stdout.fnmatch_lines(["the proxies cannot be asked any more: *"])


DRAWS = '''
MINE = """
version: 1
name: mine
summary: s
rules: [{name: r, probability: 50%, do: [{latency: 1ms from server}]}]
"""

def test_draws(bustedwall, echo, ping):
    wall = bustedwall.proxy(echo)
    wall.define(MINE)
    wall.apply("mine")
    for _ in range(16):
        ping(wall.address)
    print("drawn", [fact["draw"] for fact in wall.facts() if "draw" in fact])
'''


@pytest.mark.long("as above")
def test_the_same_seed_draws_the_same(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = [
        re.findall(r"drawn .*", run(pytester, monkeypatch, DRAWS, "-s", *seed).stdout.str())
        for seed in (["--bustedwall-seed=7"], ["--bustedwall-seed=7"], [])
    ]
    assert len(drawn[0]) == 1
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.long("as above")
def test_a_mark_that_says_nothing_is_told(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "import pytest\n@pytest.mark.bustedwall(polcy='x')\ndef test_it(bustedwall): pass\n"
    result = run(pytester, monkeypatch, text)
    assert result.ret != 0
    assert "@pytest.mark.bustedwall: cases() got an unexpected keyword argument 'polcy'" in (
        result.stdout.str() + result.stderr.str()
    )


FAMILY = """
import contextlib, socket
import pytest

@pytest.mark.bustedwall(family="idle")
def test_silence(bustedwall, echo):
    wall = bustedwall.proxy(echo)
    # A reset some milliseconds after the opening may be the error of a connect that wakes late.
    with contextlib.suppress(OSError), socket.create_connection(wall.address, timeout=20) as end:
        end.settimeout(0.4)
        for _ in range(3):
            try:
                end.sendall(b"x")
                end.recv(1)
                wall.wait_for(fact="rule-fired", within=0.4)
            except (OSError, AssertionError):
                pass
"""


@pytest.mark.long("a test for each policy of a family")
@pytest.mark.parametrize("where", ["option", "file"])
def test_a_family_is_a_test_for_each_of_its_policies(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    many = len(library.names("idle"))
    if where == "file":
        pytester.makeini("[pytest]\nbustedwall_time_scale = 1e5")
        result = run(pytester, monkeypatch, FAMILY, "-rs")
    else:
        result = run(pytester, monkeypatch, FAMILY, "-rs", "--bustedwall-time-scale=1e5")
    told = result.parseoutcomes()
    assert told.get("passed", 0) + told.get("skipped", 0) == many
    assert told["passed"] >= many - 1, "one asks for a privilege"
    if "skipped" in told:
        result.stdout.fnmatch_lines(["SKIPPED*'reject *needs reject, which this machine's kernel does not give us*"])


@pytest.mark.long("a run of pytest that starts a proxy")
def test_what_has_to_be_repeated_has_its_time_scale(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(pytester, monkeypatch, BAD, "-k", "test_not_met", "--bustedwall-time-scale=2", "--bustedwall-seed=7")
    result.stdout.fnmatch_lines(["again: pytest *::test_not_met --bustedwall-seed=7 --bustedwall-time-scale=2"])


@pytest.mark.parametrize("scale", ["0", "-1", "nan", "inf", "ten"])
def test_what_is_no_scale_is_refused(pytester: pytest.Pytester, scale: str) -> None:
    def config(*words: str) -> pytest.Config:
        return pytester.parseconfigure("-p", "no:twisted", *words)  # in this process, it would end our own reactor

    with pytest.raises(pytest.UsageError, match=f"--bustedwall-time-scale: expected a number above 0, got '{scale}'"):
        config(f"--bustedwall-time-scale={scale}")
    pytester.makeini(f"[pytest]\nbustedwall_time_scale = {scale}")
    with pytest.raises(pytest.UsageError, match="bustedwall_time_scale: expected"):
        config()


@pytest.mark.long("it starts a run and kills it")
def test_nothing_is_left_when_pytest_is_killed(tmp_path: Path) -> None:
    program = (
        "from bustedwall.child.process import Process\nimport os, time\n"
        "process = Process(None)\nprint(process._child.pid, flush=True)\ntime.sleep(100)\n"
    )
    environ = os.environ | {"TMPDIR": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environ)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    command = Path(f"/proc/{child}/cmdline")
    until(lambda: b"bustedwall.child" in command.read_bytes(), "it is what it is to be")
    parent.kill()
    parent.communicate(timeout=60)
    until(lambda: not command.exists() or not command.read_bytes(), "it has ended", 60)
