"""The examples of docs/control.md, run as they are written."""

from __future__ import annotations

import json
import re
import socket
from contextlib import suppress
from pathlib import Path

from tests.control.api import Api, served

PAGE = (Path(__file__).parents[2] / "docs" / "control.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def meet_the_policy(api: Api, proxy: tuple[str, int]) -> None:
    """Be what is under test: a client whose server answers, and which is reset."""
    with socket.create_connection(proxy, timeout=20) as client:
        far, _ = api.run.server.accept()
        far.sendall(b"x")
        with suppress(ConnectionResetError):
            while client.recv(1):
                pass
        far.close()


def test_the_python_goes_as_it_is_written(tmp_path: Path) -> None:
    (program,) = blocks("python")
    with served(tmp_path) as api:
        upstream = f"127.0.0.1:{api.run.server.getsockname()[1]}"
        assert api.ask("PUT", "/api/v1/proxies/web", {"listen": "127.0.0.1:0", "upstream": upstream}).status == 200
        program = program.replace("8474", str(api.port)).replace("1s", "10ms")
        program = program.replace("...  # what is under test", "under_test(web.address)")
        program = program.replace("    assert not", "    client.wait_flows(at_most=0)\n    assert not")
        exec(program, {"under_test": lambda where: meet_the_policy(api, where)})


def test_what_is_sent_and_answered_is_as_the_page_says(tmp_path: Path) -> None:
    problem, *waits = map(json.loads, blocks("json"))
    with served(tmp_path) as api:
        told = api.ask("GET", "/nothing").json
        assert told == problem
        assert len(waits) == 3
        for wait in waits:
            (what,) = wait.keys() - {"within"}
            wait[what].pop("proxy", None)
            said = api.ask("POST", "/api/v1/wait", wait | {"within": "0s"})
            assert (said.status, said.json["met"]) == (200, False)


def test_the_page_names_every_operation(tmp_path: Path) -> None:
    with served(tmp_path) as api:
        paths = api.get("/openapi.json")["paths"]
    told = re.sub(r"\b(NAME|POLICY|17)\b", "{}", PAGE)
    for path in paths:
        written = re.sub(r"\{\w+\}", "{}", path)
        assert written in told or f"…/{written.rpartition('/')[2]}" in told, path
