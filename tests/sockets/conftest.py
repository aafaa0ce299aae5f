"""Each module runs its own proxies with its own policies; the ways to talk through them are those of tests/relay."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.relay.conftest import _end_of_talk, connect, version

__all__ = ["_end_of_talk", "connect", "version"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to `.ci/run` what is done here over IPv4 and then over IPv6: `make test` is to end within three minutes."""
    for item in items:
        call = getattr(item, "callspec", None)
        if call is not None and call.params.get("version") == 6 and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.long("the same over IPv6"))
