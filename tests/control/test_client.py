"""bustedwall.Client: each thing that it can ask, against a run; and that it needs nothing but the standard library."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.running import running
from tests.control.api import Api, served
from tests.relay.peers import until

import bustedwall
from bustedwall import Client, ControlError, NotMetError

MINE = "version: 1\nname: mine\nsummary: s\nrules: [{name: r, when: {signal: go}, do: [{reset: client}]}]\n"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with served(tmp_path_factory.mktemp("run")) as one:
        yield one


@pytest.fixture
def client(api: Api) -> Iterator[Client]:
    with Client(f"127.0.0.1:{api.port}") as one:
        yield one
        one.panic()


@contextmanager
def flow(api: Api) -> Iterator[socket.socket]:
    """Have a flow be open; yield the client's end."""
    with socket.create_connection(("127.0.0.1", api.run.port), timeout=20) as near:
        far, _ = api.run.server.accept()
        near.sendall(b"x")
        assert far.recv(1) == b"x"
        yield near
        far.close()


def names(client: Client) -> list[str]:
    return [one["policy"] for one in client.proxy("proxy").get()["policies"]]


def test_it_says_what_runs(client: Client) -> None:
    assert client.version() == bustedwall.__version__
    assert client.ready()
    assert client.state()["proxies"][0]["name"] == "proxy"
    assert [one["name"] for one in client.proxies()] == ["proxy"]
    assert "slow-link" in [one["name"] for one in client.policies()]
    assert "delay" in client.policy("slow-link")["policy"]["parameters"]


def test_a_policy_lasts_as_long_as_its_block_and_what_was_there_comes_back(client: Client) -> None:
    proxy = client.proxy("proxy")
    with proxy.policy("gave-up-rst", give_up="1s") as same:
        assert same is proxy
        assert names(client) == ["gave-up-rst"]
    assert names(client) == []
    proxy.apply("slow-link", {"delay": "7ms"})
    with pytest.raises(ZeroDivisionError), proxy.policy("slow-link", delay="9ms"):  # noqa: PT012 (that it is undone)
        assert proxy.get()["policies"][0]["values"] == {"delay": "9ms"}
        raise ZeroDivisionError
    assert proxy.get()["policies"][0]["values"] == {"delay": "7ms"}
    with proxy.policy("gave-up-rst"):
        client.panic()  # somebody else takes it away: no reason to fail
    assert names(client) == []


def test_proxies_come_and_go(client: Client, api: Api) -> None:
    web = client.proxy("web")
    web.put(upstream=f"127.0.0.1:{api.run.server.getsockname()[1]}", policies=[{"slow-link": {"delay": "1ms"}}])
    host, port = where = web.address
    assert (host, port > 0) == ("127.0.0.1", True)
    web.disable(drain=0)
    with pytest.raises(ValueError, match="no door"):
        assert web.address
    web.enable()
    assert web.address == where
    web.use(["gave-up-rst"])
    web.remove("gave-up-rst")
    web.apply("slow-link", span=60)
    assert 0 < web.get()["policies"][0]["ends_in"] <= 60
    assert web.clear()["rules"] == 1
    web.delete(drain=0.5)
    with pytest.raises(ControlError, match="there is no proxy 'web'") as told:
        web.get()
    assert told.value.status == 404


def test_waits_flows_and_facts(client: Client, api: Api) -> None:
    client.define("mine", MINE)
    before = client.last()
    with client.proxy("proxy").policy("mine"), flow(api) as near:
        client.wait_flows(1, proxy="proxy")
        number = next(client.flows())["state"]["flow"]
        assert client.fire("go") == 1
        assert client.wait_fired("mine")["count"] == 1
        with pytest.raises(ConnectionResetError):
            near.recv(1)
        told = client.effect("mine", proxy="proxy", after=before, within=10)
        assert (told.effective, str(told)) == (True, "mine fired once, effective: 1")
        assert str(client.effect("mine", proxy="proxy")) == str(told)
        assert client.wait_fact("panic,rule-fired", after=before, flow=number)["fact"] == "rule-fired"
        fact = client.wait_fact("rule-fired", after=before, flow=number, rule="mine/r")
        assert fact["number"] > before
        assert [one["fact"] for one in client.facts(after=before, fact="rule-fired")] == ["rule-fired"]
        assert client.flow("proxy", number)["facts"]
    with client.proxy("proxy").policy("mine"):
        assert str(client.effect("mine")) == str(client.effect("mine/r")).replace("/r", "") == "mine never fired"
    client.wait_flows(at_most=0)
    assert str(client.effect("nix", within=0.05)) == "nix never fired"
    with pytest.raises(NotMetError, match=r"not met within 0.05 s.*rule-fired"):
        client.wait_fact("rule-fired", within=0.05)
    with flow(api), flow(api):
        client.wait_flows(2)
        assert client.kill("close", client="127.0.0.1") == 2


def test_facts_are_followed(client: Client) -> None:
    before = client.last()
    client.fire("one")
    following = client.follow(after=before, fact="signal-fired")
    assert next(following)["signal"] == "one"
    client.fire("two")
    assert next(following)["signal"] == "two"
    following.close()  # type: ignore[attr-defined]  # a generator


def test_what_is_wrong_is_told_with_each_mistake(client: Client) -> None:
    assert client.validate(MINE) == []
    assert client.validate("version: 1\nname: x\n")[0]["line"] == 1
    with pytest.raises(ControlError, match="there is no policy 'slow-lnk'") as told:
        client.proxy("proxy").apply("slow-lnk")
    assert told.value.errors[0]["hint"] == "did you mean 'slow-link'?"
    assert str(told.value) == "policies[0]: there is no policy 'slow-lnk' (400); did you mean 'slow-link'?"
    with pytest.raises(ControlError) as told:
        client.define("mine", "version: 1\nname: mine\nrulez: 3")
    first, *others = str(told.value).split("; ")
    assert first == "missing required key 'summary' (400)"
    assert others == ["missing required key 'rules'", "rulez: unknown key 'rulez', did you mean 'rules'?"]
    with pytest.raises(ControlError, match="400"):
        client.define("mine", "version: 2")


def test_it_goes_by_a_token_and_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("f" * 32 + "\n")
    path = tmp_path / "control"
    options = ("--control", f"unix:{path}", "--token-file", str(tmp_path / "token"))
    with running(tmp_path, "-q", *options, stdout=subprocess.DEVNULL) as run:
        monkeypatch.setenv("BUSTEDWALL_CONTROL", f"unix:{path}")
        with Client() as client, pytest.raises(ControlError, match="401"):
            client.version()
        monkeypatch.setenv("BUSTEDWALL_TOKEN_FILE", str(tmp_path / "token"))
        with Client() as client:
            assert client.version() == bustedwall.__version__
            with client.proxy("proxy").policy("slow-link"):
                pass
            told = list(client.facts(fact="control-changed"))
            assert all(fact["who"] == f"user {path.stat().st_uid}, process {fact['who'].split()[-1]}" for fact in told)
        with Client(token="x" * 32) as client, pytest.raises(ControlError, match="401"):
            client.version()
        assert run.end() == 0
    with Client() as client, pytest.raises(OSError, match="No such file"):
        client.version()


def test_an_idle_connection_that_was_closed_is_no_error(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.ready()
    monkeypatch.setattr("bustedwall.client.link._IDLE", -1)
    assert client.ready()
    until(client.ready, "it answers")


def test_it_needs_neither_twisted_nor_pydantic() -> None:
    strange = "{'twisted', 'pydantic', 'klein', 'yaml', 'click'}"
    program = f"import sys, bustedwall; bustedwall.Client; sys.exit(bool({strange} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
