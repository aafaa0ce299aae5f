"""An HTTP client with httpx: `http_httpx.py WHAT SETTINGS`; WHAT is `twice` or `page`."""

from __future__ import annotations

import os
import sys
import time

import httpx

URL = f"http://{os.environ['BUSTEDWALL_SITE_ADDRESS']}"
what, settings = sys.argv[1:]
mended = settings == "mended"


def get(client: httpx.Client, path: str) -> bytes:
    if not mended:
        return client.get(f"{URL}/{path}").content
    for attempt in range(3):
        try:
            return within(client, path, 4.0)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            if attempt == 2:
                raise
            time.sleep(0.05 * 2**attempt)
    raise AssertionError


def within(client: httpx.Client, path: str, seconds: float) -> bytes:
    # The timeouts of httpx are for each recv; the whole needs a clock of its own.
    over, body = time.monotonic() + seconds, b""
    with client.stream("GET", f"{URL}/{path}", timeout=2) as answer:
        for piece in answer.iter_bytes():
            body += piece
            if time.monotonic() > over:
                raise TimeoutError(f"the whole took more than {seconds:g} s")
    return body


try:
    with httpx.Client() as client:
        for path in ("small", "small") if what == "twice" else ("page",):
            body = get(client, path)
            if len(body) != {"small": 100, "page": 200_000}[path]:
                sys.exit(f"a short body was taken for a whole one: {len(body)} bytes")
except (httpx.HTTPError, TimeoutError) as error:
    sys.exit(f"told: {type(error).__name__}: {error}")
print("all came")
