"""The experiment of configs/chaos, run by the Chaos Toolkit as a user runs it, and what `chaos discover` lists."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.control.api import Api, served
from tests.web import web_server

ROOT = Path(__file__).parents[2]
EXPERIMENT = ROOT / "configs" / "chaos" / "answers.yaml"
CHAOS = Path(sys.executable).with_name("chaos")

pytestmark = [pytest.mark.real("chaos", "curl"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    with web_server() as port:
        yield port


@contextmanager
def web(folder: Path, upstream: int, *options: str) -> Iterator[Api]:
    """Have a proxy before the server that somebody uses already."""
    config = folder / "web.yaml"
    policies = [{"slow-link": {"delay": "1ms"}}]
    proxy = {"name": "web", "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{upstream}", "policies": policies}
    control = {"listen": "127.0.0.1:0"}
    config.write_text(json.dumps({"version": 1, "control": control, "proxies": [proxy]}))
    with served(folder, *options, config=config) as api:
        yield api


def environ(api: Api, **more: str) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    where = {"BUSTEDWALL_CONTROL": f"127.0.0.1:{api.port}", "CHAOS_URL": f"http://127.0.0.1:{api.run.port}/"}
    return os.environ | where | {"PATH": path, "CHAOS_PROXY": "web"} | more


def chaos(folder: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    # Without the first word it asks its maker whether there is a newer one.
    command = [str(CHAOS), "--no-version-check", "--no-log-file", "--settings", str(folder / "settings.yaml"), *words]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=200, check=False)


def ran(folder: Path, api: Api, experiment: Path = EXPERIMENT, **more: str) -> tuple[int, Any, str]:
    """Run an experiment; return its exit code, its journal and what it said."""
    ended = chaos(folder, "run", str(experiment), env=environ(api, **more))
    said = ended.stdout + ended.stderr
    assert (folder / "journal.json").exists(), said
    return ended.returncode, json.loads((folder / "journal.json").read_text()), said


def policies(api: Api) -> list[tuple[str, object]]:
    return [(one["policy"], one["values"]) for one in api.get("/api/v1/proxies/web")["policies"]]


def changed(folder: Path, **parts: object) -> Path:
    """Return the experiment with other parts."""
    document = yaml.safe_load(EXPERIMENT.read_text())
    path = folder / "changed.yaml"
    path.write_text(yaml.safe_dump(document | parts))
    return path


def action(func: str, **arguments: object) -> dict[str, object]:
    provider = {"type": "python", "module": "bustedwall.chaos.actions", "func": func, "arguments": arguments}
    return {"type": "action", "name": func, "provider": provider}


def probe(func: str, tolerance: object, **arguments: object) -> dict[str, object]:
    provider = {"type": "python", "module": "bustedwall.chaos.probes", "func": func, "arguments": arguments}
    return {"type": "probe", "name": func, "tolerance": tolerance, "provider": provider}


def test_the_service_bears_a_slow_link_and_all_is_as_it_was(tmp_path: Path, upstream: int) -> None:
    with web(tmp_path, upstream) as api:
        code, journal, said = ran(tmp_path, api)
        assert (code, journal["status"], journal["deviated"]) == (0, "completed", False), said
        assert [one["status"] for one in journal["rollbacks"]] == ["succeeded"]
        # The rollback took the policy away; that it had other values before only the control knows.
        assert policies(api) == [("slow-link", {"delay": "1ms"})]
        told = journal["bustedwall"]
        assert (told["undone"], told["errors"], told["missed"]) == (["web: slow-link is back"], [], 0)
        assert told["effects"]["slow-link"].startswith("slow-link fired")
        assert {"rule-fired", "fault-armed", "flow-closed"} <= {fact["fact"] for fact in told["facts"]}


def test_it_does_not_bear_a_reset_and_that_is_found_and_undone(tmp_path: Path, upstream: int) -> None:
    with web(tmp_path, upstream) as api:
        code, journal, said = ran(tmp_path, api, CHAOS_POLICY="reset-mid-response")
        assert (code, journal["deviated"]) == (1, True), said
        failed = journal["steady_states"]["after"]["probes"][-1]
        assert failed["activity"]["name"] == "a GET is answered"
        assert "curl: (56) Recv failure: Connection reset by peer" in failed["output"]["stderr"]
        assert journal["bustedwall"]["effects"] == {"reset-mid-response": "reset-mid-response fired once, effective: 1"}
        assert policies(api) == [("slow-link", {"delay": "1ms"})]


def test_what_ends_the_toolkit_itself_leaves_nothing(tmp_path: Path, upstream: int) -> None:
    document = yaml.safe_load(EXPERIMENT.read_text())
    get = {"type": "probe", "name": "get", "tolerance": 200, "provider": {"type": "http", "url": "${url}"}}
    hypothesis = document["steady-state-hypothesis"] | {"probes": [get]}
    experiment = changed(tmp_path, **{"steady-state-hypothesis": hypothesis})
    with web(tmp_path, upstream) as api:
        ended = chaos(tmp_path, "run", str(experiment), env=environ(api, CHAOS_POLICY="reset-mid-response"))
        # Where a later Toolkit bears it, it ends with 1 as well.
        assert ended.returncode == 1, ended.stderr
        assert policies(api) == [("slow-link", {"delay": "1ms"})]


def test_an_experiment_whose_fault_met_nothing_has_failed(tmp_path: Path, upstream: int) -> None:
    with web(tmp_path, upstream) as api:
        code, journal, said = ran(tmp_path, api, CHAOS_POLICY="aws-nlb-idle")
        assert (code, journal["status"], journal["deviated"]) == (1, "failed", False)
        assert "the experiment proves nothing: aws-nlb-idle never fired" in said


def test_what_is_refused_is_told_as_the_api_tells_it(tmp_path: Path, upstream: int) -> None:
    with web(tmp_path, upstream) as api:
        _, journal, _ = ran(tmp_path, api, CHAOS_POLICY="slow-lnk")
        (run,) = journal["run"]
        assert run["status"] == "failed"
        assert "there is no policy 'slow-lnk'" in run["exception"][-1]
        assert "did you mean 'slow-link'?" in run["exception"][-1]


def test_a_run_that_cannot_be_asked_ends_it_before_it_begins(tmp_path: Path, upstream: int) -> None:
    with web(tmp_path, upstream) as api:
        code, journal, said = ran(tmp_path, api, BUSTEDWALL_CONTROL=f"unix:{tmp_path}/nobody")
        assert (code, journal["status"], journal["run"]) == (1, "interrupted", [])
        assert "nobody: [Errno 2]" in said


def test_every_action_and_probe_does_what_it_says_and_all_is_undone(tmp_path: Path, upstream: int) -> None:
    (tmp_path / "token").write_text("t" * 32)
    get = {"type": "probe", "name": "get", "provider": {"type": "http", "url": "${url}", "timeout": 20}}
    method = [
        get,
        probe("policies_in_force", [], proxy="web"),
        action("panic"),
        action("apply_policy", proxy="web", policy="reset-mid-response", values={"after": "100B"}),
        get,  # fails
        probe("rule_fired", tolerance=True, rule="reset-mid-response", within=30),
        probe("rule_fired", tolerance=True, rule="slow-link"),
        probe("rule_effective", tolerance=True, rule="reset-mid-response/cut", proxy="web", within=30),
        probe("fact_matched", tolerance=True, fact="reset-sent", having={"leg": "client"}, within=30),
        probe("fact_matched", tolerance=True, fact="reset-sent", having={"leg": "server"}),
        probe("fact_matched", tolerance=True, fact="flow-closed", times=2, within=30),
        probe("open_flows", 0),
        action("clear_policies", proxy="web"),
        action("fire_signal", signal="go"),
        action("kill_flows", how="vanish", proxy="web", client="127.0.0.0/8"),
        action("disable_proxy", proxy="web", drain=0),
        probe("proxy_ready", tolerance=True, proxy="web"),
        action("enable_proxy", proxy="web"),
        action("disable_proxy", proxy="web"),
        action("apply_policy", proxy="web", policy="cable-pull"),
    ]
    for step in method:
        if "module" in step["provider"]:  # type: ignore[operator]  # a mapping
            step["provider"]["secrets"] = ["run"]  # type: ignore[index]  # as above
    secrets = {"run": {"bustedwall_token": "t" * 32}}
    experiment = changed(tmp_path, method=method, rollbacks=[], secrets=secrets, controls=[
        {"name": "c", "provider": {"type": "python", "module": "bustedwall.chaos.control"}}
    ])  # fmt: skip
    document = yaml.safe_load(experiment.read_text())
    document.pop("steady-state-hypothesis")
    experiment.write_text(yaml.safe_dump(document))
    with web(tmp_path, upstream, "--token-file", str(tmp_path / "token")) as api:
        code, journal, said = ran(tmp_path, api, experiment)
        assert code == 0, said
        runs = journal["run"]
        assert {run["activity"]["name"] for run in runs if run["status"] == "failed"} == {"get"}, said
        outputs = [run["output"] for run in runs if run["activity"]["type"] == "probe"][1:]
        assert outputs[0] == ["slow-link"]
        assert outputs[2:] == [True, False, True, True, False, True, 0, False]
        told = journal["bustedwall"]
        assert told["errors"] == []
        assert sorted(told["undone"]) == [
            "web: cable-pull is taken away",
            "web: its door is open again",
            "web: slow-link is back",
        ]
        full = {"Authorization": f"Bearer {'t' * 32}"}
        now = api.ask("GET", "/api/v1/proxies/web", **full).json
        assert [one["policy"] for one in now["policies"]] == ["slow-link"]
        assert now["state"]["enabled"]


def test_an_experiment_that_is_interrupted_leaves_nothing(tmp_path: Path, upstream: int) -> None:
    document = yaml.safe_load(EXPERIMENT.read_text())
    waits = [*document["method"], probe("rule_fired", tolerance=True, rule="cable-pull", within=40)]
    experiment = changed(tmp_path, method=waits)
    with web(tmp_path, upstream) as api:
        command = [str(CHAOS), "--no-version-check", "--no-log-file", "run", str(experiment)]
        process = subprocess.Popen(command, cwd=tmp_path, env=environ(api, CHAOS_POLICY="cable-pull"))
        waited = {"fact": "control-changed", "having": {"change": "put_policy"}, "after": 0}
        assert api.ask("POST", "/api/v1/wait", {"fact": waited, "within": "30s"}).json["met"]
        assert [name for name, _ in policies(api)] == ["slow-link", "cable-pull"]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 1
        assert policies(api) == [("slow-link", {"delay": "1ms"})]
        journal = json.loads((tmp_path / "journal.json").read_text())
        assert journal["status"] == "interrupted"
        assert journal["bustedwall"]["undone"] == ["web: cable-pull is taken away"]


def test_it_is_valid(tmp_path: Path) -> None:
    ended = chaos(tmp_path, "validate", str(EXPERIMENT))
    assert ended.returncode == 0, ended.stderr
    wrong = changed(tmp_path, rollbacks=[action("remove_policy", proxy="web", polcy="x")])
    assert chaos(tmp_path, "validate", str(wrong)).returncode == 1


def test_discover_lists_all_with_arguments_and_types(tmp_path: Path) -> None:
    # The Toolkit looks for a package's name in its files, which only an installed wheel has.
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path / "installed")]
    subprocess.run([*pip, str(ROOT)], check=True, timeout=200)
    env = environ_of_installed(tmp_path / "installed")
    ended = chaos(tmp_path, "discover", "--no-install", "bustedwall", env=env)
    told = json.loads((tmp_path / "discovery.json").read_text()), ended
    found = {one["name"]: one for one in told[0]["activities"]}
    assert {name for name, one in found.items() if one["type"] == "probe"} == {
        "fact_matched", "open_flows", "policies_in_force", "proxy_ready", "rule_effective", "rule_fired",
    }  # fmt: skip
    assert {name for name, one in found.items() if one["type"] == "action"} == {
        "apply_policy", "clear_policies", "disable_proxy", "enable_proxy", "fire_signal", "kill_flows", "panic",
        "remove_policy",
    }  # fmt: skip
    assert [(one["name"], one["type"]) for one in found["apply_policy"]["arguments"]][:5] == [
        ("proxy", "string"), ("policy", "string"), ("values", "mapping"), ("seconds", "number"), ("flow", "integer"),
    ]  # fmt: skip
    assert (found["rule_fired"]["return_type"], found["remove_policy"]["return_type"]) == ("boolean", "null")
    types = {argument["type"] for one in found.values() for argument in one["arguments"]}
    assert types == {"string", "integer", "number", "mapping", "list"}


def environ_of_installed(folder: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(folder)}
