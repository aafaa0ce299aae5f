"""An HTTP client with aiohttp: `http_aiohttp.py WHAT SETTINGS`; WHAT is `twice` or `page`."""

from __future__ import annotations

import asyncio
import os
import sys

import aiohttp

URL = f"http://{os.environ['BUSTEDWALL_SITE_ADDRESS']}"
what, settings = sys.argv[1:]
# Its default is 5 minutes for the whole.
limits = aiohttp.ClientTimeout(total=4, sock_read=2) if settings == "mended" else aiohttp.ClientTimeout()


async def main() -> None:
    async with aiohttp.ClientSession(timeout=limits) as session:
        for path in ("small", "small") if what == "twice" else ("page",):
            async with session.get(f"{URL}/{path}") as answer:
                body = await answer.read()
            if len(body) != {"small": 100, "page": 200_000}[path]:
                sys.exit(f"a short body was taken for a whole one: {len(body)} bytes")


try:
    asyncio.run(main())
except (aiohttp.ClientError, TimeoutError) as error:
    sys.exit(f"told: {type(error).__name__}: {error}")
print("all came")
