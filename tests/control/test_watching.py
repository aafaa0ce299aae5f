"""Facts that are asked for and watched, and waits for what is to come."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from tests.control.api import Api, served
from tests.relay.peers import until

from bustedwall.control.watching import MOST_VIEWERS
from bustedwall.record.recent import ROOM

FACTS = "/api/v1/facts"
WAIT = "/api/v1/wait"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with served(tmp_path_factory.mktemp("run")) as one:
        yield one


class Stream:
    """Server-sent events as a client reads them."""

    def __init__(self, api: Api, query: str = "", *more: str, room: int | None = None) -> None:
        self.sock = socket.socket()
        if room is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.sock.settimeout(20)
        self.sock.connect(("127.0.0.1", api.port))
        head = ["Host: localhost", "Accept: text/event-stream", *more]
        self.sock.sendall("\r\n".join([f"GET {FACTS}{query} HTTP/1.0", *head, "", ""]).encode())
        self._file = self.sock.makefile("r", newline="\n")
        self.status = int(self._file.readline().split()[1])
        self.kind = ""
        while line := self._file.readline().strip():
            if line.lower().startswith("content-type:"):
                self.kind = line.partition(": ")[2]

    def events(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield the event's name, its id and its data."""
        name, number = "fact", ""
        while line := self._file.readline():
            key, _, value = line.strip().partition(": ")
            if key == "event":
                name = value
            elif key == "id":
                number = value
            elif key == "data":
                yield name, number, json.loads(value)
                name, number = "fact", ""

    def close(self) -> None:
        self._file.close()
        self.sock.close()


@contextmanager
def stream(api: Api, query: str = "", *more: str, room: int | None = None) -> Iterator[Stream]:
    one = Stream(api, query, *more, room=room)
    try:
        yield one
    finally:
        one.close()


def fire(api: Api, name: str, times: int = 1) -> int:
    """Fire a signal, which leaves two facts; return the number of the last."""
    for _ in range(times):
        assert api.ask("POST", f"/api/v1/signals/{name}").status == 200
    return int(api.get(FACTS)["last"])


# ---- asked for


def test_facts_are_told_in_pages_by_their_numbers(api: Api) -> None:
    before = fire(api, "one")
    last = fire(api, "two", 2)
    assert last - before == 4
    page = api.get(f"{FACTS}?after={before}&limit=3")
    assert [fact["number"] for fact in page["facts"]] == [before + 1, before + 2, before + 3]
    assert (page["next"], page["missed"], page["last"]) == (before + 3, 0, last)
    rest = api.get(f"{FACTS}?after={page['next']}")
    assert ([fact["number"] for fact in rest["facts"]], rest["next"]) == ([last], None)
    fired = api.get(f"{FACTS}?after={before}&fact=signal-fired")
    assert [fact["signal"] for fact in fired["facts"]] == ["two", "two"]
    assert {"schema", "at", "proxy", "flow"} <= fired["facts"][0].keys()
    assert api.get(f"{FACTS}?after={before}&proxy=nix")["facts"] == []
    assert api.get(f"{FACTS}?after={last + 100}")["facts"] == []
    for wrong in ("limit=0", "after=-1", "after=x", "flow=0", "facts=x"):
        assert api.ask("GET", f"{FACTS}?{wrong}").status == 400


# ---- watched


def test_facts_are_watched_as_they_come_and_a_client_that_comes_back_misses_none(api: Api) -> None:
    before = fire(api, "old")
    with stream(api, "?fact=signal-fired") as one:
        assert (one.status, one.kind) == (200, "text/event-stream")
        fire(api, "first")
        name, number, fact = next(one.events())
        assert (name, fact["signal"], fact["number"]) == ("fact", "first", int(number))
    fire(api, "second")
    with stream(api, "?fact=signal-fired", f"Last-Event-ID: {number}") as again:
        assert next(again.events())[2]["signal"] == "second"
    with stream(api, f"?fact=signal-fired&after={before}") as late:
        assert [fact["signal"] for _, _, fact in islice(late.events(), 2)] == ["first", "second"]


def test_facts_of_a_flow_come_while_it_goes_on(api: Api) -> None:
    with stream(api, "?proxy=proxy") as watched, socket.create_connection(("127.0.0.1", api.run.port)) as client:
        upstream, _ = api.run.server.accept()
        events = watched.events()
        assert [next(events)[2]["fact"] for _ in range(2)] == ["flow-accepted", "flow-opened"]
        upstream.close()
        assert client.recv(1) == b""
    until(lambda: api.get("/api/v1/flows")["flows"] == [], "it is closed")


@pytest.mark.long("thousands of facts")
@pytest.mark.timeout(300)
def test_who_reads_too_slowly_is_told_how_much_he_has_missed_and_holds_up_nobody(api: Api) -> None:
    with stream(api, room=4096) as slow:
        # What he does not read waits in kernels and in a buffer of 64 KiB, and then no more is written for him.
        threads = [threading.Thread(target=churn, args=(api, 1000)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert api.get(FACTS)["last"] > 2 * ROOM
        last, gaps, seen = 0, 0, 0
        for name, number, data in slow.events():
            if name == "gap":
                gaps += 1
                last += data["missed"]
            else:
                assert int(number) == last + 1 or seen == 0
                last, seen = int(number), seen + 1
            if last >= api.get(FACTS)["last"] if seen % 500 == 0 else False:
                break
            if gaps and seen > 1000:
                break
        assert gaps >= 1


def churn(api: Api, times: int) -> None:
    for _ in range(times):
        with suppress(ConnectionResetError), socket.create_connection(("127.0.0.1", api.run.port), timeout=20) as end:
            upstream, _ = api.run.server.accept()
            upstream.close()
            end.recv(1)


def test_only_so_many_watch_and_who_leaves_makes_room(api: Api) -> None:
    watching = [Stream(api) for _ in range(MOST_VIEWERS)]
    try:
        assert {one.status for one in watching} == {200}
        with stream(api) as more:
            assert more.status == 503
        assert api.ask("GET", "/healthz").status == 200
    finally:
        for one in watching:
            one.close()

    def room() -> bool:
        with stream(api) as again:
            return again.status == 200

    until(room, "there is room")


# ---- waits


class Waiting:
    """A wait under way, in a thread, as a client that waits."""

    def __init__(self, api: Api, **sent: object) -> None:
        self._said: list[Any] = []
        self._thread = threading.Thread(target=lambda: self._said.append(api.ask("POST", WAIT, sent)))
        self._thread.start()

    @property
    def over(self) -> bool:
        return bool(self._said)

    def told(self) -> dict[str, Any]:
        self._thread.join(50)
        assert self._said[0].status == 200, self._said
        found: dict[str, Any] = self._said[0].json
        return found


def test_a_wait_is_over_when_the_fact_has_come(api: Api) -> None:
    waiting = Waiting(api, fact={"fact": "signal-fired", "having": {"signal": "wanted"}})
    # Whether it waits already nobody tells; so it is fired until it was heard.
    until(lambda: fire(api, "other") and fire(api, "wanted") and waiting.over, "it is over")
    told = waiting.told()
    assert told["met"]
    assert (told["fact"]["signal"], told["count"]) == ("wanted", 1)


def test_facts_that_have_come_count_where_it_is_said_since_when(api: Api) -> None:
    before = fire(api, "x")
    fire(api, "mine", 2)
    fact = {"fact": "signal-fired", "having": {"signal": "mine"}, "after": before, "times": 2}
    told = api.ask("POST", WAIT, {"fact": fact, "within": "0s"}).json
    assert (told["met"], told["count"]) == (True, 2)
    missing = api.ask("POST", WAIT, {"fact": fact | {"times": 3}, "within": "50ms"}).json
    assert (missing["met"], missing["count"]) == (False, 2)
    assert missing["waited"] >= 0.05


def test_a_wait_for_flows_is_over_when_so_many_are_open(api: Api) -> None:
    assert api.ask("POST", WAIT, {"flows": {"at_most": 0}}).json["met"]
    waiting = Waiting(api, flows={"proxy": "proxy", "at_least": 2})
    ends = []
    for count in (1, 2):
        assert not waiting.over or count == 1
        ends.append(socket.create_connection(("127.0.0.1", api.run.port), timeout=20))
        ends.append(api.run.server.accept()[0])
    assert waiting.told()["count"] == 2
    gone = Waiting(api, flows={"at_most": 0})
    for end in ends:
        end.close()
    assert gone.told()["met"]


def test_a_wait_for_a_rule_counts_since_it_was_applied(api: Api) -> None:
    text = (
        "version: 1\nname: mine\nsummary: s\nrules: [{name: r, when: {signal: go}, do: [{latency: 1ms from client}]}]\n"
    )
    use = "/api/v1/proxies/proxy/policies/mine"
    assert api.ask("PUT", "/api/v1/policies/mine", {"text": text}).status == 204
    fired = {"rule": "mine", "times": 2}
    with socket.create_connection(("127.0.0.1", api.run.port), timeout=20):
        upstream, _ = api.run.server.accept()
        until(lambda: api.get("/api/v1/flows")["flows"], "it is open")
        for _ in range(2):
            assert api.ask("PUT", use, {}).status == 200
            assert not api.ask("POST", WAIT, {"fired": fired, "within": "0s"}).json["met"]
            fire(api, "go", 2)
            assert api.ask("POST", WAIT, {"fired": fired, "within": "0s"}).json["count"] == 2
            assert api.ask("POST", WAIT, {"fired": fired | {"rule": "mine/r"}, "within": "0s"}).json["met"]
            assert not api.ask("POST", WAIT, {"fired": {"rule": "mine/s"}, "within": "0s"}).json["met"]
            assert api.ask("DELETE", use).status == 204
        upstream.close()


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"flows": {"at_least": 1}, "fact": {"fact": "panic"}},
        {"flows": {"at_least": -1}},
        {"flows": {"at_least": 1}, "within": "11m"},
        {"flows": {"at_least": 1}, "within": 5},
        {"fired": {"rule": "x", "times": 0}},
        {"fact": {"fact": "panic", "having": {"x": []}}},
    ],
)
def test_waits_that_mean_nothing_are_refused(api: Api, sent: dict[str, Any]) -> None:
    assert api.ask("POST", WAIT, sent).status == 400


def test_who_leaves_waits_no_more_and_the_end_of_the_run_ends_all(tmp_path: Path) -> None:
    with served(tmp_path) as one:
        head = b"POST /api/v1/wait HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        body = b'{"fact": {"fact": "panic"}, "within": "10m"}'
        for _ in range(60):  # more than may wait at once
            with socket.create_connection(("127.0.0.1", one.port), timeout=20) as client:
                client.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        until(
            lambda: one.ask("POST", WAIT, {"fact": {"fact": "x"}, "within": "0s"}).status == 200, "there is room again"
        )
        with stream(one) as watched, socket.create_connection(("127.0.0.1", one.port), timeout=20) as client:
            client.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            assert one.run.end() == 0
            with suppress(ConnectionResetError):
                list(watched.events())  # to its end
            with suppress(ConnectionResetError):
                assert b'"met": true' not in client.recv(1000)
