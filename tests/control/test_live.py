"""Proxies, policies and flows, changed while they run: what it does to real connections, and what is refused."""

from __future__ import annotations

import errno
import json
import select
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.control.api import Api, served
from tests.relay.peers import dial, recv, until

from bustedwall.policy.load import load_config

PROXIES = "/api/v1/proxies"
WEB = f"{PROXIES}/web"

Fact = dict[str, Any]

SLOW = pytest.mark.long("a process of its own, a second each")


class Live(Api):
    """A run with its API and its journal."""

    @property
    def journal(self) -> Path:
        return Path(self.run.folder) / "journal.jsonl"

    def facts(self, name: str, count: int = 0) -> list[Fact]:
        """Return the facts of a name, once there are so many: a thread writes them."""

        def there() -> list[Fact]:
            *lines, _ = self.journal.read_text().split("\n")
            return [fact for fact in map(json.loads, lines) if fact["fact"] == name]

        until(lambda: len(there()) >= count, f"{count} of {name}")
        return there()

    def policies(self, proxy: str = "proxy") -> list[str]:
        return [policy["policy"] for policy in self.get(f"{PROXIES}/{proxy}")["policies"]]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """A run with one proxy, called proxy, that has no policies."""
    with served(tmp_path, "--journal", str(tmp_path / "journal.jsonl")) as api:
        yield Live(api.run, api.port)


@contextmanager
def flow(live: Live, port: int | None = None) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Have a flow be open; yield both ends."""
    with socket.create_connection(("127.0.0.1", port or live.run.port), timeout=20) as client:
        upstream, _ = live.run.server.accept()
        with upstream:
            upstream.settimeout(20)
            client.sendall(b"x")
            assert upstream.recv(1) == b"x"
            yield client, upstream


def upstream(live: Live) -> str:
    return f"127.0.0.1:{live.run.server.getsockname()[1]}"


def port_of(told: dict[str, Any]) -> int:
    return int(told["state"]["address"].rpartition(":")[2])


def body(live: Live, **more: object) -> dict[str, object]:
    return {"listen": "127.0.0.1:0", "upstream": upstream(live), **more}


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=20).close()
    except ConnectionRefusedError:
        return False
    return True


# ---- proxies


def test_a_proxy_comes_serves_changes_and_goes(live: Live) -> None:
    made = live.ask("PUT", WEB, body(live, policies=["slow-link"]))
    assert made.status == 200, made
    port = port_of(made.json)
    with flow(live, port) as (client, far):
        # Changed: open flows go on, the door stays where it is.
        again = live.ask("PUT", WEB, body(live, policies=[{"slow-link": {"delay": "1ms"}}]))
        assert port_of(again.json) == port
        far.sendall(b"y")
        assert client.recv(1) == b"y"
        # Gone: the door is shut, and who is there goes on for as long as was asked.
        assert live.ask("DELETE", f"{WEB}?drain=1h").status == 204
        assert not answers(port)
        far.sendall(b"z")
        assert client.recv(1) == b"z"
        assert live.ask("GET", WEB).status == 404
        assert [one["proxy"] for one in live.get("/api/v1/flows?proxy=web")["flows"]] == ["web"]
    changed = [(fact["proxy"], fact["change"]) for fact in live.facts("control-changed", 3)]
    assert changed == [("web", "put_proxy"), ("web", "put_proxy"), ("web", "delete_proxy")]
    assert all(fact["who"].startswith("127.0.0.1:") for fact in live.facts("control-changed"))


@SLOW
def test_a_door_is_shut_and_opens_where_it_was(live: Live) -> None:
    port = live.run.port
    with flow(live) as (client, _):
        shut = live.ask("POST", f"{PROXIES}/proxy/disable?drain=0s").json
        assert (shut["state"]["door"], shut["state"]["enabled"]) == ("shut", False)
        assert not answers(port)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    opened = live.ask("POST", f"{PROXIES}/proxy/enable").json
    assert port_of(opened) == port
    with flow(live):
        # Flows are numbered on.
        assert [one["state"]["flow"] for one in live.get("/api/v1/flows")["flows"]] == [2]
    assert live.ask("POST", f"{PROXIES}/proxy/enable").status == 200  # again: nothing to do


def test_what_is_refused_has_changed_nothing(live: Live) -> None:
    before = live.get("/api/v1/state")
    refused = [
        (409, {"listen": upstream(live), "upstream": "127.0.0.1:9"}),
        (400, body(live, listen=upstream(live))),
        (400, body(live, listen="nowhere")),
        (400, body(live, policies=["slow-lnk"])),
        (400, body(live, policies=[{"slow-link": {"dealy": "1s"}}, "slow-link", "slow-link"])),
        (400, body(live, limits={"flows": 0})),
        (400, body(live, name="other")),
        (400, body(live, polices=[])),
        (400, body(live, enabled="yes")),
        (400, {"listen": "127.0.0.1:0"}),
        (400, []),
        (400, "x"),
    ]
    for status, sent in refused:
        said = live.ask("PUT", f"{PROXIES}/proxy", sent)
        assert (said.status, said.kind) == (status, "application/problem+json"), (sent, said)
    (*_, last) = live.ask("PUT", f"{PROXIES}/proxy", body(live, policies=["slow-lnk"])).json["errors"]
    assert (last["path"], last["hint"]) == ("policies[0]", "did you mean 'slow-link'?")
    assert live.ask("PUT", f"{PROXIES}/bad%20name", body(live)).status == 400
    for path in ("nix", "nix/clear", "nix/enable", "nix/policies/slow-link"):
        method = "DELETE" if "policies" in path or path == "nix" else "POST"
        assert live.ask(method, f"{PROXIES}/{path}").status == 404
    assert "did you mean 'proxy'" in live.ask("GET", f"{PROXIES}/prxy").json["detail"]
    assert live.get("/api/v1/state") == before
    assert not live.facts("control-changed")
    with flow(live):
        pass


@SLOW
def test_no_file_is_read_or_written_for_who_asks(live: Live, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("x: secret")
    before = sorted(tmp_path.iterdir())
    path = str(tmp_path / "mine.yaml")
    for use in (path, "./mine.yaml", "../mine.yaml", {path: {"delay": "1s"}}):
        said = live.ask("PUT", WEB, body(live, policies=[use]))
        assert said.status == 400
        assert "by its name" in said.json["errors"][0]["message"]
    assert live.ask("PUT", WEB, body(live, pcap=str(tmp_path))).status == 400
    config = f"version: 1\nproxies: [{{name: a, listen: 127.0.0.1:1, upstream: 127.0.0.1:2, policies: [{path}]}}]"
    told = live.ask("POST", "/api/v1/validate", {"text": config}).json
    assert [mistake["message"] for mistake in told["mistakes"]] == [
        "a policy is asked for by its name here; files are for a config"
    ]
    assert live.ask("GET", f"{PROXIES}/..%2f..%2fetc%2fpasswd").status == 404
    assert sorted(tmp_path.iterdir()) == before


@SLOW
def test_a_token_for_reading_changes_nothing(tmp_path: Path) -> None:
    full, read = {"Authorization": "Bearer " + "f" * 32}, {"Authorization": "Bearer " + "r" * 32}
    (tmp_path / "full").write_text("f" * 32)
    (tmp_path / "read").write_text("r" * 32)
    tokens = ("--token-file", str(tmp_path / "full"), "--read-token-file", str(tmp_path / "read"))
    with served(tmp_path, *tokens) as api:
        for method, path in (("POST", "/api/v1/panic"), ("DELETE", f"{PROXIES}/proxy")):
            assert api.ask(method, path, **read).status == 403
            assert api.ask(method, path).status == 401
        assert api.ask("GET", PROXIES, **read).status == 200
        assert api.ask("POST", "/api/v1/panic", **full).status == 200


@SLOW
def test_proxies_lead_only_where_the_config_allows_it(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    door = "{name: a, listen: 127.0.0.1:0, upstream: 'example.org:80'}"
    allowed = "[db.internal:5432, 10.0.0.0/8, '[::1]:80']"
    config.write_text(f"version: 1\ncontrol: {{listen: 127.0.0.1:0, upstreams: {allowed}}}\nproxies: [{door}]\n")
    with served(tmp_path, config=config) as api:

        def put(upstream: str) -> int:
            return api.ask("PUT", WEB, {"listen": "127.0.0.1:0", "upstream": upstream}).status

        for upstream in ("DB.internal:5432", "10.1.2.3:9", "[::1]:80"):
            assert put(upstream) == 200
        for upstream in ("db.internal:5433", "11.0.0.1:9", "[::1]:81", "evil.example:5432", "example.org:80"):
            assert put(upstream) == 403
        assert api.get(WEB)["state"]["upstream"] == "[::1]:80"
        told = tmp_path / "told.json"
        told.write_text(json.dumps(api.get("/api/v1/state")))
    assert load_config(told).upstreams == load_config(config).upstreams


# ---- policies


@SLOW
def test_policies_of_a_proxy_are_put_replaced_and_taken_away(live: Live) -> None:
    use = f"{PROXIES}/proxy/policies"
    assert live.ask("PUT", use, {"policies": ["slow-link", {"gave-up-rst": {"give_up": "1s"}}]}).status == 200
    assert live.policies() == ["slow-link", "gave-up-rst"]
    # In the place of the same: the other one does not move.
    told = live.ask("PUT", f"{use}/slow-link", {"values": {"delay": "5ms"}}).json
    assert [(one["policy"], one["values"]) for one in told["policies"]] == [
        ("slow-link", {"delay": "5ms"}),
        ("gave-up-rst", {"give_up": "1s"}),
    ]
    changed = live.facts("rules-changed", 2)[-1]
    assert (changed["added"], changed["kept"]) == (["slow-link/delay-both-ways"], 1)
    assert live.ask("DELETE", f"{use}/gave-up-rst").status == 204
    assert live.ask("DELETE", f"{use}/gave-up-rst").status == 404
    assert live.policies() == ["slow-link"]
    assert live.ask("POST", f"{PROXIES}/proxy/clear").json["rules"] == 1
    assert live.policies() == []
    used = {one["name"]: one["used_by"] for one in live.get("/api/v1/policies")["policies"]}
    assert used["slow-link"] == []


@SLOW
def test_a_policy_for_a_while_goes_by_itself(live: Live) -> None:
    use = f"{PROXIES}/proxy/policies"
    told = live.ask("PUT", f"{use}/slow-link", {"for": "300ms"}).json
    assert 0 <= told["policies"][0]["ends_in"] <= 0.3
    assert live.get("/api/v1/state")["proxies"][0]["policies"] == []  # a config has only what stays
    until(lambda: live.policies() == [], "it goes")
    ended = live.facts("control-changed", 2)[-1]
    assert (ended["change"], ended["what"], ended["proxy"]) == ("policy_ended", "slow-link", "proxy")
    # Put again without an end it stays, though the first one's time runs out.
    live.ask("PUT", f"{use}/slow-link", {"for": "300ms"})
    live.ask("PUT", f"{use}/slow-link", {})
    live.ask("PUT", f"{use}/gave-up-rst", {"for": "400ms"})
    until(lambda: "gave-up-rst" not in live.policies(), "the later one goes")
    assert live.policies() == ["slow-link"]
    for wrong in ("5", "-1s", "soon", "0s", "2000000h"):
        said = live.ask("PUT", f"{use}/slow-link", {"for": wrong})
        assert (said.status, said.json["errors"][0]["path"]) == (400, "for")


@SLOW
def test_a_policy_on_one_flow_touches_no_other_and_goes_with_it(live: Live) -> None:
    with flow(live) as (first, _), ExitStack() as second:
        other, far = second.enter_context(flow(live))
        path = f"{PROXIES}/proxy/policies/reset-mid-response"
        told = live.ask("PUT", path, {"values": {"after": "10B"}, "flow": 2}).json
        assert told["policies"][0]["flow"] == 2
        assert told["policies"][0]["rules"][0].startswith("reset-mid-response@2/")
        far.sendall(bytes(10))
        got = b""
        with suppress(ConnectionResetError):
            while data := other.recv(100):
                got += data
        assert len(got) == 10
        far.close()  # what is left of the flow
        until(lambda: live.policies() == [], "it goes with its flow")
        first.sendall(b"y")  # is as before
        assert live.ask("PUT", path, {"flow": 2}).status == 404
    fired = [line for line in live.ask("GET", "/metrics").text.splitlines() if "rules_fired_total{" in line]
    assert len(fired) == 1
    assert 'policy="reset-mid-response"' in fired[0]
    assert {fact["flow"] for fact in live.facts("rule-fired", 1)} == {2}


@SLOW
def test_policies_are_defined_and_applied_by_name(live: Live) -> None:
    text = "version: 1\nname: mine\nsummary: s\nrules: [{name: r, do: [{reset: client}]}]\n"
    assert live.ask("PUT", "/api/v1/policies/mine", {"text": text}).status == 204
    assert live.ask("PUT", "/api/v1/policies/other", {"text": text}).status == 400
    wrong = live.ask("PUT", "/api/v1/policies/mine", {"text": text.replace("reset", "rest")})
    assert (wrong.status, wrong.json["errors"][0]["line"], wrong.json["errors"][0]["column"]) == (400, 4, 25)
    assert live.ask("PUT", f"{PROXIES}/proxy/policies/mine", {}).status == 200
    listed = {one["name"]: one for one in live.get("/api/v1/policies")["policies"]}
    assert (listed["mine"]["origin"], listed["mine"]["used_by"]) == ("own", ["proxy"])
    mine = live.get("/api/v1/policies/mine")
    assert (mine["name"], mine["origin"], mine["used_by"]) == ("mine", "own", ["proxy"])
    assert mine["policy"]["rules"] == [{"name": "r", "do": [{"reset": "client"}]}]
    shipped = live.get("/api/v1/policies/cable-pull")
    assert (shipped["origin"], shipped["used_by"], shipped["policy"]["name"]) == ("library", [], "cable-pull")
    assert {"summary", "replays", "sources", "rules", "symptom", "cure"} <= shipped["policy"].keys()
    for strange in ("cable-pul", "..%2Fsilence%2Fcable-pull", "%2Fetc%2Fpasswd"):
        assert live.ask("GET", f"/api/v1/policies/{strange}").status == 404
    assert "did you mean 'cable-pull'?" in live.ask("GET", "/api/v1/policies/cable-pul").json["detail"]
    assert live.ask("DELETE", "/api/v1/policies/mine").status == 204
    again = live.ask("DELETE", "/api/v1/policies/mine")
    assert (again.status, again.json["detail"]) == (404, "no policy 'mine' was defined here")
    assert live.ask("DELETE", "/api/v1/policies/cable-pull").status == 404
    assert live.get("/api/v1/policies/mine")["used_by"] == ["proxy"], "who uses it keeps it"
    with dial(("127.0.0.1", live.run.port)) as client:
        assert recv(client) == "ECONNRESET"
    assert live.ask("DELETE", f"{PROXIES}/proxy/policies/mine").status == 204
    assert live.ask("GET", "/api/v1/policies/mine").status == 404


@SLOW
def test_a_policy_may_have_the_name_of_one_of_the_library_until_it_is_known_no_more(live: Live) -> None:
    text = "version: 1\nname: cable-pull\nsummary: s\nrules: [{name: r, do: [{reset: client}]}]\n"
    assert live.ask("PUT", "/api/v1/policies/cable-pull", {"text": text}).status == 204
    assert live.get("/api/v1/policies/cable-pull")["origin"] == "own"
    assert live.ask("DELETE", "/api/v1/policies/cable-pull").status == 204
    assert live.get("/api/v1/policies/cable-pull")["origin"] == "library"


@SLOW
def test_a_text_is_validated_with_all_its_mistakes_and_their_places(live: Live) -> None:
    def validate(text: str) -> dict[str, Any]:
        return live.ask("POST", "/api/v1/validate", {"text": text}).json

    rule = "  - {name: r, do: [{resett: client}, {wait: 5}]}"
    told = validate(f"version: 1\nname: x\nsumary: s\nrules:\n{rule}\n")
    places = {(one["line"], one["column"]) for one in told["mistakes"]}
    assert not told["valid"]
    assert {(3, 1), (5, rule.index("resett") + 1), (5, rule.index("5") + 1)} <= places
    good = {"version": 1, "name": "x", "summary": "s", "rules": [{"name": "r", "do": [{"reset": "client"}]}]}
    for text in (json.dumps(good), yaml.safe_dump(good)):
        assert validate(text) == {"valid": True, "mistakes": []}
    assert not validate("")["valid"]
    assert not validate("{")["valid"]


# ---- all at once


@SLOW
def test_panic_takes_all_away_and_one_change_brings_nothing_else_back(live: Live) -> None:
    live.ask("PUT", f"{PROXIES}/proxy/policies/slow-link", {})
    live.ask("PUT", WEB, body(live, policies=["slow-link"]))
    assert live.ask("POST", "/api/v1/panic").json["rules"] == 2
    assert live.get(f"{PROXIES}/proxy")["state"]["cleared"]
    assert live.facts("panic", 1)[0]["cause"].startswith("127.0.0.1:")
    live.ask("PUT", f"{WEB}/policies/gave-up-rst", {})
    assert (live.policies("web"), live.policies()) == (["gave-up-rst"], [])
    # A reload is what the run was started with: no `web`, and no policy.
    live.run.process.send_signal(signal.SIGHUP)
    until(lambda: live.facts("reloaded"), "it is reloaded")
    assert [one["name"] for one in live.get(PROXIES)["proxies"]] == ["proxy"]


@SLOW
def test_a_signal_is_heard_by_the_rules_that_wait_for_it(live: Live) -> None:
    text = "version: 1\nname: mine\nsummary: s\nrules: [{name: r, when: {signal: go}, do: [{reset: client}]}]\n"
    live.ask("PUT", "/api/v1/policies/mine", {"text": text})
    live.ask("PUT", f"{PROXIES}/proxy/policies/mine", {})
    with flow(live) as (client, _):
        assert live.ask("POST", "/api/v1/signals/stop").json == {"signal": "stop", "rules": 0}
        assert live.ask("POST", "/api/v1/signals/go").json == {"signal": "go", "rules": 1}
        with pytest.raises(ConnectionResetError):
            client.recv(1)


# ---- flows


def said_by(end: socket.socket) -> str:
    """Return what an end meets: EOF, or the name of an error."""
    try:
        return "EOF" if end.recv(1) == b"" else "data"
    except OSError as error:
        return errno.errorcode[error.errno or 0]


@pytest.mark.parametrize(("how", "told"), [("reset", "ECONNRESET"), ("close", "EOF")])
def test_a_flow_is_killed_by_its_number_and_the_other_is_not(live: Live, how: str, told: str) -> None:
    with flow(live) as (first, far), flow(live) as (second, _):
        kill = {"how": how, "proxy": "proxy", "flows": [1]}
        assert live.ask("POST", "/api/v1/flows/kill", kill).json == {"killed": 1}
        assert (said_by(first), said_by(far)) == (told, told)
        assert live.ask("POST", "/api/v1/flows/kill", kill).json == {"killed": 0}
        second.sendall(b"y")
        assert [one["state"]["flow"] for one in live.get("/api/v1/flows")["flows"]] == [2]
    endings = live.facts("ending-evidence", 2)  # the other may have ended meanwhile, with a byte unread
    assert {(fact["leg"], fact["how"], fact["verdict"]) for fact in endings if fact["flow"] == 1} == {
        ("client", how, "effective"),
        ("server", how, "effective"),
    }


@SLOW
def test_a_flow_vanishes_and_who_sends_meets_a_rst(live: Live) -> None:
    with flow(live) as (client, _):
        assert live.ask("POST", "/api/v1/flows/kill", {"how": "vanish"}).json == {"killed": 1}
        assert not select.select([client], [], [], 0)[0]
        client.sendall(b"y")
        assert said_by(client) == "ECONNRESET"


@SLOW
def test_flows_are_killed_by_address_and_all_at_once(live: Live) -> None:
    with ExitStack() as flows:
        ends = [flows.enter_context(flow(live))[0] for _ in range(5)]
        assert live.ask("POST", "/api/v1/flows/kill", {"client": "10.0.0.0/8"}).json == {"killed": 0}
        assert live.ask("POST", "/api/v1/flows/kill", {"client": "127.0.0.0/8"}).json == {"killed": 5}
        assert {said_by(end) for end in ends} == {"ECONNRESET"}
    for wrong in ({"flows": [1]}, {"client": "x"}, {"how": "melt"}, {"flows": ["1"], "proxy": "proxy"}):
        assert live.ask("POST", "/api/v1/flows/kill", wrong).status == 400
    assert live.ask("POST", "/api/v1/flows/kill", {"proxy": "nix"}).status == 404


@SLOW
def test_flows_are_listed_in_pages(live: Live) -> None:
    port = port_of(live.ask("PUT", WEB, body(live)).json)
    with ExitStack() as flows:
        for where in (None, port, None, port, None):
            flows.enter_context(flow(live, where))
        seen, after = [], ""
        while True:
            page = live.get(f"/api/v1/flows?limit=2{after}")
            seen += [(one["proxy"], one["state"]["flow"]) for one in page["flows"]]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert seen == [("proxy", 1), ("proxy", 2), ("proxy", 3), ("web", 1), ("web", 2)]
        assert len(live.get("/api/v1/flows?proxy=web")["flows"]) == 2
    assert live.ask("GET", "/api/v1/flows?proxy=nix").status == 404
    for wrong in ("limit=0", "limit=1001", "limit=x", "after=web", "limit=1&limit=2", "page=1"):
        assert live.ask("GET", f"/api/v1/flows?{wrong}").status == 400


@SLOW
def test_one_flow_is_told_with_what_the_kernel_counts_and_its_facts(live: Live) -> None:
    with flow(live) as (client, _):
        told = live.get("/api/v1/flows/proxy/1")
        assert told["state"]["client"] == f"127.0.0.1:{client.getsockname()[1]}"
        assert (told["state"]["from_client"], told["state"]["from_server"]) == (1, 0)
        assert {leg: one["state"] for leg, one in told["evidence"].items()} == dict.fromkeys(
            ("client", "server"), "established"
        )
        assert [fact["fact"] for fact in told["facts"]] == ["flow-accepted", "flow-opened"]
    until(lambda: live.get("/api/v1/flows/proxy/1")["state"] is None, "it is closed")
    assert live.get("/api/v1/flows/proxy/1")["facts"][-1]["fact"] == "flow-closed"
    for path in ("proxy/2", "proxy/0", "proxy/x", f"proxy/{'9' * 5000}", "nix/1"):
        assert live.ask("GET", f"/api/v1/flows/{path}").status == 404


# ---- the state as a config


@SLOW
def test_the_state_is_a_config_that_runs_the_same(tmp_path: Path) -> None:
    mine = "version: 1\nname: mine\nsummary: s\nrules: [{name: r, do: [{latency: 1ms from client}]}]\n"
    (tmp_path / "mine.yaml").write_text(mine)
    config = tmp_path / "config.yaml"
    config.write_text(
        "version: 1\nseed: 7\ntime_scale: 10\ncontrol: {listen: 127.0.0.1:0}\nlimits: {flows: 50, idle: 1h}\n"
        "define: [{version: 1, name: here, summary: s, rules: [{name: r, do: [{latency: 2ms from server}]}]}]\n"
        "proxies:\n"
        "  - {name: a, listen: 127.0.0.1:0, upstream: 127.0.0.1:9, policies: [./mine.yaml, here, {slow-link: {delay:"
        " 7ms}}], source: 127.0.0.2, mss: 1000, proxy_protocol: {in: true, out: v2, within: 3s}}\n"
        "  - {name: b, listen: 127.0.0.1:0, upstream: 'localhost:9', enabled: false, dry_run: true, turns: true,"
        " limits: {fault: 1m, flow_held: 1MiB}}\n"
    )
    with served(tmp_path, config=config) as api:
        told = tmp_path / "told.json"
        told.write_text(json.dumps(api.get("/api/v1/state")))
        assert [one["state"]["door"] for one in api.get(PROXIES)["proxies"]] == ["open", "shut"]
    was, now = load_config(config), load_config(told)
    assert now.proxies == was.proxies
    assert (now.seed, now.terms, now.limits) == (was.seed, was.terms, was.limits)


@SLOW
def test_two_policies_of_one_name_have_each_its_own_in_the_state(tmp_path: Path) -> None:
    for folder, delay in (("one", "1ms"), ("two", "2ms")):
        (tmp_path / folder).mkdir()
        rule = f"rules: [{{name: r, do: [{{latency: {delay} from client}}]}}]"
        (tmp_path / folder / "mine.yaml").write_text(f"version: 1\nname: mine\nsummary: s\n{rule}\n")
    config = tmp_path / "config.yaml"
    door = "listen: 127.0.0.1:0, upstream: 127.0.0.1:9"
    config.write_text(
        "version: 1\ncontrol: {listen: 127.0.0.1:0}\nproxies:\n"
        f"  - {{name: a, {door}, policies: [./one/mine.yaml]}}\n  - {{name: b, {door}, policies: [./two/mine.yaml]}}\n"
    )
    with served(tmp_path, config=config) as api:
        told = tmp_path / "told.json"
        told.write_text(json.dumps(api.get("/api/v1/state")))
    steps = [[rule.steps for rule in proxy.rules] for proxy in load_config(told).proxies]
    assert steps == [[rule.steps for rule in proxy.rules] for proxy in load_config(config).proxies]
