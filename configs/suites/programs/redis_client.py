"""redis-py: `redis_client.py WHAT SETTINGS`; WHAT is `pause`, `late` or `count`."""

from __future__ import annotations

import os
import sys
import time

import redis
from breaking import Breaking
from redis.backoff import NoBackoff
from redis.retry import Retry

what, settings = sys.argv[1:]
NONE = Retry(NoBackoff(), 0)
SETTINGS = {
    "default": {},
    "endless": {"socket_timeout": None},
    # As long as a server may think; a dead connection is told after it, and the command is repeated on a new one.
    "mended": {"socket_timeout": 2, "socket_connect_timeout": 2, "retry": Retry(NoBackoff(), 2)},
    # What must not be done twice is not repeated by the library.
    "careful": {"socket_timeout": 2, "retry": NONE},
}
host, port = os.environ["BUSTEDWALL_CACHE_HOST"], int(os.environ["BUSTEDWALL_CACHE_PORT"])
client = redis.Redis(host, port, decode_responses=True, **SETTINGS[settings])
key = f"{what}-{settings}"
breaking = Breaking()


def pause() -> None:
    """A pooled connection is quiet for a while, and is used again."""
    client.set(key, "1")
    breaking.until("rule-fired")
    assert client.get(key) == "1"


def late() -> None:
    """An answer comes after its timeout, and must not be taken for that of the next command."""
    client.set(key, "mine")
    client.set(f"{key}-other", "other")
    breaking.warm("rules-changed")
    try:
        client.get(f"{key}-other")
    except redis.TimeoutError:
        print("timed out", flush=True)
    time.sleep(3)  # the answer has come by then
    answer = client.get(key)
    assert answer == "mine", f"the answer to another command: {answer!r}"


def count() -> None:
    """The server counts, and its answer is lost."""
    token = f"{key}-done"
    client.delete(key, token)
    breaking.warm("rules-changed")
    if settings == "careful":
        # Repeated by us, in a way that the server can tell: whoever sets the token first counts.
        script = "if redis.call('SET', KEYS[2], 1, 'NX') then redis.call('INCR', KEYS[1]) end"
        for _ in range(5):
            try:
                client.eval(script, 2, key, token)
                break
            except redis.RedisError:
                time.sleep(0.2)
    else:
        client.incr(key)
    value = client.get(key)
    assert value == "1", f"it was counted {value} times"


try:
    {"pause": pause, "late": late, "count": count}[what]()
except (redis.RedisError, AssertionError) as error:
    sys.exit(f"told: {type(error).__name__}: {error}")
print("right")
