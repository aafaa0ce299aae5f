"""What real clients say to each policy: asserted by the tests beside this file, shown in docs/symptoms.md."""

from __future__ import annotations

from tests.real.case import CLIENTS, Case
from tests.real.said_by_curl import ALONE, BEHIND_NGINX
from tests.real.said_by_databases import WITH_PSYCOPG, WITH_REDIS
from tests.real.said_by_http import WITH_AIOHTTP, WITH_NODE, WITH_REQUESTS

CASES = [*ALONE, *BEHIND_NGINX, *WITH_REQUESTS, *WITH_AIOHTTP, *WITH_NODE, *WITH_REDIS, *WITH_PSYCOPG]


def of(client: str) -> list[Case]:
    """Return the cases of a client."""
    assert client in CLIENTS
    return [case for case in CASES if case.client == client]
