"""Each module runs its own proxies with its own policies; the ways to talk through them are those of tests/relay."""

from __future__ import annotations

from tests.relay.conftest import _end_of_talk, connect, version

__all__ = ["_end_of_talk", "connect", "version"]
