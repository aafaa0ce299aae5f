"""The accounts: what both ends of each flow have counted, against what the journal says of it.

A flow is settled, and forgotten, when both have told all. So an hour of it needs no more memory
than a minute.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxies import Promise, Proxy

Told = dict[str, Any]

_KNOWN = ("schema", "proxy", "flow")

_ALARMING = ("flow-failed", "accept-paused", "facts-dropped", "journal-troubled")
"""Facts that have no place in a run on a machine with nothing amiss."""

MOST = 20
"""Breaches that are shown; the others are counted."""


@dataclass
class Flow:
    """What the journal says of a flow."""

    client: str
    fired: int = 0
    closed: Told | None = None
    story: list[Told] = field(default_factory=list)
    """Its facts, to be shown if it does not end."""


class Ledger:
    """Takes all facts and all that the peers say, in any order between the two."""

    def __init__(self, journal: Path, proxies: Mapping[str, Proxy], whole: frozenset[str]) -> None:
        self._journal = journal
        self._seen_new = False
        """The journal was moved away, and there is a new one."""
        self._at = 0
        self._proxies = proxies
        self._whole = whole
        """Plays in which all that is said is to arrive."""
        self._open: dict[tuple[str, int], Flow] = {}
        self._closed: dict[tuple[str, str], deque[Flow]] = defaultdict(deque)
        """By proxy and client; a client's port may come back, after its flow has ended."""
        self._clients: dict[tuple[str, str], deque[Told]] = defaultdict(deque)
        self._servers: dict[int, Told] = {}
        self._accepted: Counter[str] = Counter()
        self.facts: Counter[str] = Counter()
        self.plays: Counter[str] = Counter()
        self.flows = 0
        self.whole = 0
        """Flows of which every byte was compared, both ways, to the end."""
        self.bytes = self.discarded = 0
        self.breaches: list[str] = []
        self.breached = 0

    def breach(self, what: str) -> None:
        self.breached += 1
        if len(self.breaches) < MOST:
            self.breaches.append(what)

    # ---- what comes in

    def end_told(self, told: Told) -> None:
        """Take what an end has counted."""
        if told["end"] == "server":
            if told["number"] is not None:
                self._servers[told["number"]] = told
            return
        if self._proxies[told["proxy"]].door:
            self._servers.pop(told["number"], None)  # whether it was accepted is not known
        elif told["client"] is not None:
            self._clients[told["proxy"], told["client"]].append(told)
        else:
            self.breach(f"{told['proxy']}: a client could not connect: {told['error']}")

    def read(self) -> None:
        """Take the facts that are new in the journal, from where it was to where it is."""
        moved = next(self._journal.parent.glob(self._journal.stem + ".[0-9]*"), None)
        if moved is None:
            self._read(self._journal)
            return
        self._read(moved)
        if self._seen_new:  # the last time already, so the old one was written to no more after that
            moved.unlink()
            self._at = 0
            self._read(self._journal)
            self._seen_new = False
        else:
            self._seen_new = self._journal.exists()

    def read_out(self) -> None:
        """Take all facts that there are; the proxy has ended."""
        for _ in range(3):  # the file that was moved away, once more, and the journal
            self.read()

    def rotated(self) -> bool:
        """Tell whether the journal is where it was at the beginning."""
        return self._journal.exists() and not self._seen_new

    def reloads(self) -> int:
        """Return how many reloads are done, or refused."""
        return self.facts["reloaded"] + self.facts["reload-failed"]

    def _read(self, path: Path) -> None:
        with path.open("rb") as file:
            file.seek(self._at)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._at += len(line)
                self._fact(json.loads(line))

    def _fact(self, fact: Told) -> None:
        name, proxy, number = fact["fact"], fact["proxy"], fact["flow"]
        self.facts[name] += 1
        if name in _ALARMING:
            self.breach(f"{proxy} {number}: {fact}")
        if number is None:
            return
        key = proxy, number
        if name == "flow-accepted":
            self._accepted[proxy] += 1
            if number != self._accepted[proxy]:
                self.breach(f"{proxy}: flow {number} is the {self._accepted[proxy]}th: a fact is lost")
                self._accepted[proxy] = number
            self._open[key] = Flow(fact["client"])
            return
        flow = self._open.get(key)
        if flow is None:
            if name != "share-drawn":  # drawn before the flow is taken in
                self.breach(f"{proxy} {number}: {name} of a flow that is not open")
            return
        flow.fired += name in ("rule-fired", "fault-armed")
        flow.story.append({key: value for key, value in fact.items() if key not in _KNOWN})
        if name == "flow-closed":
            flow.closed = fact
            flow.story.clear()
            del self._open[key]
            if not self._proxies[proxy].door:
                self._closed[proxy, flow.client].append(flow)

    # ---- what comes of it

    def open_flows(self) -> list[str]:
        """Return the flows that the journal has not closed, and what it says of them."""
        return [f"{proxy} {number} {flow.client}: {flow.story}" for (proxy, number), flow in self._open.items()]

    def settle(self, *, final: bool = False) -> None:
        """Judge the flows of which all is told; at the end, of which anything is."""
        for key in list(self._clients):
            clients, closed = self._clients[key], self._closed.get(key)
            while clients and closed:
                told = clients[0]
                if told["number"] not in self._servers and told["play"] in self._whole and not final:
                    break
                clients.popleft()
                self._judge(key[0], told, self._servers.pop(told["number"], None), closed.popleft())
            if final and clients and not self._proxies[key[0]].door:
                self.breach(f"{key}: {len(clients)} flows that no fact tells of, or that are not closed")
            if not clients:
                del self._clients[key]
            if not closed:
                self._closed.pop(key, None)
        if final:
            for key, flows in self._closed.items():
                self.breach(f"{key}: {len(flows)} flows that no client has had")
            for proxy, number in self._open:
                self.breach(f"{proxy} {number}: accepted and never closed")

    def _judge(self, name: str, client: Told, server: Told | None, flow: Flow) -> None:
        fact, proxy = flow.closed, self._proxies[name]
        assert fact is not None
        self.flows += 1
        self.plays[client["play"]] += 1
        up, down, discarded = fact["from_client"], fact["from_server"], fact["discarded"]
        self.bytes += up + down
        self.discarded += discarded
        touched = flow.fired > 0
        promise = proxy.promise if touched else Promise.WHOLE
        about = f"{name} {fact['flow']} ({client['play']}): client {client}, server {server}, journal {fact}"
        if promise is Promise.DAMAGED:
            return
        for end in (client, server):
            if end and end["wrong"] is not None:
                self.breach(f"wrong byte: {about}")
        if client["received"] > down or up > client["sent"]:
            self.breach(f"bytes from nowhere: {about}")
        if server and (
            server["received"] > up or down > server["sent"] or up + down + discarded > client["sent"] + server["sent"]
        ):
            self.breach(f"more bytes than were sent: {about}")
        impatient = any(end and end["error"] == "patience" for end in (client, server))
        if promise is Promise.WHOLE and client["play"] in self._whole and not (impatient and touched_by(proxy)):
            self._judge_whole(client, server, (up, down, discarded), about)

    def _judge_whole(self, client: Told, server: Told | None, moved: tuple[int, int, int], about: str) -> None:
        self.whole += 1
        if (
            server is None
            or (client["sent"], server["received"]) != (moved[0], moved[0])
            or (server["sent"], client["received"]) != (moved[1], moved[1])
            or moved[2]
            or not (client["eof"] and server["eof"])
            or client["error"]
            or server["error"]
        ):
            self.breach(f"not all arrived: {about}")


def touched_by(proxy: Proxy) -> bool:
    """Tell whether the peers have little patience with the flows of this proxy."""
    return proxy.promise is not Promise.WHOLE or proxy.door
