"""The turns that a server has seen, told from facts alone; and by a run whose proxy is asked for them."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.control.api import served

from bustedwall.client import Client, Json
from bustedwall.client.turns import seen, seen_twice


def turn(digest: str, *, flow: int = 1, number: int = 1, answered: bool = True, proxy: str = "web") -> Json:
    return {"fact": "turn-sent", "proxy": proxy, "flow": flow, "turn": number, "bytes": 5, "digest": digest} | {
        "answered": answered
    }


def test_seen_is_what_was_answered() -> None:
    facts = [turn("a"), {"fact": "flow-opened"}, turn("b", number=2, answered=False), turn("c", number=3)]
    assert [one["digest"] for one in seen(facts)] == ["a", "c"]


def test_seen_twice_is_what_comes_again_on_whatever_flow() -> None:
    again = turn("a", flow=2)
    assert seen_twice([turn("a"), turn("b", number=2), again]) == [again]
    assert seen_twice([turn("a"), again, again]) == [again, again]
    assert seen_twice([turn("a"), turn("a", proxy="db"), turn("a", flow=2) | {"bytes": 6}]) == []
    assert seen_twice([turn("a", answered=False), turn("a", flow=2), turn("a", flow=3, answered=False)]) == []


def test_a_proxy_tells_them_once_it_is_asked_to(tmp_path: Path) -> None:
    with served(tmp_path) as api, Client(f"127.0.0.1:{api.port}") as client:
        web = client.proxy("web")
        host, port = api.run.server.getsockname()[:2]
        web.put(upstream=f"{host}:{port}", turns=True)
        for _ in range(2):
            with socket.create_connection(web.address, timeout=20) as near:
                far, _ = api.run.server.accept()
                near.sendall(b"POST /")
                assert far.recv(6) == b"POST /"
                far.sendall(b"201")
                assert near.recv(3) == b"201"
                far.close()
        (again,) = seen_twice(client.facts(proxy="web"))
        assert (again["flow"], again["turn"], again["bytes"]) == (2, 1, 6)
