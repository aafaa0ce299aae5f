"""An HTTP client with requests: `http_requests.py WHAT SETTINGS`; WHAT is `twice` or `page`."""

from __future__ import annotations

import os
import sys
import time

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

URL = f"http://{os.environ['BUSTEDWALL_SITE_ADDRESS']}"
what, settings = sys.argv[1:]
mended = settings == "mended"

session = requests.Session()
if mended:
    # GET may be repeated; POST may not, and Retry knows.
    session.mount("http://", HTTPAdapter(max_retries=Retry(3, backoff_factor=0.05)))


def get(path: str) -> bytes:
    if not mended:
        return session.get(f"{URL}/{path}").content
    # The timeout of requests is one for each recv; the whole needs a clock of its own.
    over = time.monotonic() + 4
    body = b""
    with session.get(f"{URL}/{path}", timeout=2, stream=True) as answer:
        for piece in answer.iter_content(4096):
            body += piece
            if time.monotonic() > over:
                raise TimeoutError("the whole took more than 4 s")
    return body


try:
    for path in ("small", "small") if what == "twice" else ("page",):
        body = get(path)
        if len(body) != {"small": 100, "page": 200_000}[path]:
            sys.exit(f"a short body was taken for a whole one: {len(body)} bytes")
except (requests.RequestException, TimeoutError) as error:
    sys.exit(f"told: {type(error).__name__}: {error}")
print("all came")
