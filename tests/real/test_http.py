"""requests, aiohttp and Node's http, before nginx."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.real.case import (
    AIOHTTP,
    GATE,
    NODE,
    PATIENT,
    REQUESTS,
    SHORT_OF_HEADER_RETURNS,
    Case,
    Outcome,
    check,
    files,
)
from tests.real.conftest import StartWall
from tests.real.expected import of
from tests.real.gate import gate
from tests.real.servers import HANG, HOST, Server, program

pytestmark = pytest.mark.real("nginx", "nodejs")

Fetched = tuple[str, str, list[str]]
"""How it ended, what it said, and the SHA-256 of each body that came."""


Asked = Sequence[tuple[str, float]]
"""Each URL, with the seconds that its answer may take."""


def with_requests(asked: Asked) -> Fetched:
    import requests  # noqa: PLC0415 (not installed by `make test`)

    got: list[str] = []
    with requests.Session() as session:
        session.trust_env = False
        try:
            for url, limit in asked:
                answer = session.get(url, timeout=limit)
                answer.raise_for_status()
                got.append(hashlib.sha256(answer.content).hexdigest())
        except requests.RequestException as error:
            return f"requests.{type(error).__name__}", str(error), got
    return "returns", "", got


def with_aiohttp(asked: Asked) -> Fetched:
    import aiohttp  # noqa: PLC0415 (as above)

    got: list[str] = []

    async def fetch() -> None:
        async with aiohttp.ClientSession() as session:
            for url, limit in asked:
                limits = aiohttp.ClientTimeout(total=None, sock_connect=limit, sock_read=limit)
                async with session.get(url, timeout=limits) as answer:
                    answer.raise_for_status()
                    got.append(hashlib.sha256(await answer.read()).hexdigest())

    try:
        asyncio.run(fetch())
    except aiohttp.ClientError as error:
        return f"aiohttp.{type(error).__name__}", str(error), got
    return "returns", "", got


def with_node(asked: Asked) -> Fetched:
    words = [word for url, limit in asked for word in (str(round(limit * 1000)), url)]
    command = [program("node", "nodejs"), Path(__file__).parent / "get.js", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=True)
    ends, _, says = done.stdout.partition("\n")
    return ends, says.strip(), done.stderr.split()


CLIENTS: dict[str, Callable[[Asked], Fetched]] = {
    REQUESTS: with_requests,
    AIOHTTP: with_aiohttp,
    NODE: with_node,
}


def digests(server: Server, names: Sequence[str]) -> list[str]:
    bodies = (b"" if name == GATE else (server.folder / "files" / Path(name).name).read_bytes() for name in names)
    return [hashlib.sha256(body).hexdigest() for body in bodies]


@pytest.mark.parametrize("client", CLIENTS)
def test_without_a_policy_every_byte_comes(nginx: Server, wall: StartWall, client: str) -> None:
    url = f"http://{HOST}:{wall(nginx, None).port}"

    ends, says, got = CLIENTS[client]([(f"{url}/5MB", PATIENT), (f"{url}/2kB", PATIENT)])

    assert (ends, says) == ("returns", "")
    assert got == digests(nginx, ["5MB", "2kB"])


@pytest.mark.parametrize(("client", "times"), [(REQUESTS, 1), (AIOHTTP, 2), (NODE, 1)])
def test_aiohttp_repeats_a_get_once_by_itself_and_the_others_do_not(
    nginx: Server, wall: StartWall, client: str, times: int
) -> None:
    proxy = wall(nginx, "closed-before-data")

    CLIENTS[client]([(f"http://{HOST}:{proxy.port}/5MB", PATIENT)])

    proxy.until_fired(times)
    assert len(proxy.facts("flow-accepted")) == times


@pytest.mark.parametrize("case", [case for client in CLIENTS for case in of(client)], ids=str)
def test_it_ends_and_speaks_as_the_page_says(nginx: Server, wall: StartWall, case: Case) -> None:
    proxy, names = wall(nginx, case.policy), files(case.does)
    with gate(proxy) as opens:
        at_gate, at_wall = (opens, PATIENT), f"http://{HOST}:{proxy.port}"
        asked = [at_gate if name == GATE else (f"{at_wall}/{name}", case.limit) for name in names]
        began = time.monotonic()
        ends, says, got = CLIENTS[case.client](asked)
        seconds = time.monotonic() - began

    if case.endings == SHORT_OF_HEADER_RETURNS:
        assert got == [hashlib.sha256().hexdigest()]
        ends = f"{ends}, with nothing"
    check(case, Outcome(ends, says, seconds))
    if case.succeeds:
        assert got == digests(nginx, names)
