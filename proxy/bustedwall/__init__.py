"""A TCP proxy that breaks connections the way real networks, firewalls and dying hosts do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bustedwall.client import Client, ControlError, NotMetError

__version__ = "0.1.0.dev0"

__all__ = ["Client", "ControlError", "NotMetError", "__version__"]


def discover(discover_system: bool = True) -> dict[str, Any]:  # noqa: ARG001, FBT001, FBT002 (the Toolkit calls it so)
    """Return what an experiment can use; `chaos discover` looks for it here. It needs `bustedwall[chaos]`."""
    from bustedwall.chaos.discovery import discovered  # noqa: PLC0415 (nobody else needs the Chaos Toolkit)

    told: dict[str, Any] = discovered()
    return told


def __getattr__(name: str) -> object:
    """Import the client when somebody asks for it: `http.client` is a third of the time that --help takes."""
    if name not in __all__:
        raise AttributeError(f"module 'bustedwall' has no attribute '{name}'")
    from bustedwall import client  # noqa: PLC0415 (as above)

    return getattr(client, name)
