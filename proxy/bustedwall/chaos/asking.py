"""Where an experiment says that the run is, and how a refusal ends an activity."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chaoslib.exceptions import ActivityFailed
from chaoslib.types import Configuration, Secrets

from bustedwall.client import Client, ControlError

CONTROL = "bustedwall_control"
"""The key of an experiment's configuration that has the address of the control API."""

TOKEN = "bustedwall_token"  # noqa: S105 (the name of a key)
"""The key of an experiment's secrets that has the token."""


@contextmanager
def asked(configuration: Configuration | None, secrets: Secrets | None) -> Iterator[Client]:
    """Ask the run that an experiment names, else that of BUSTEDWALL_CONTROL; a refusal is an ActivityFailed."""
    client = client_of(configuration, secrets)
    try:
        with client:
            yield client
    except ControlError as error:
        raise ActivityFailed(str(error)) from error
    except (OSError, ValueError) as error:
        raise ActivityFailed(f"{client.address}: {error}") from error


def client_of(configuration: Configuration | None, secrets: Secrets | None) -> Client:
    """Return a client of the run that an experiment names."""
    return Client((configuration or {}).get(CONTROL), token=_token(secrets or {}))


def _token(secrets: Secrets) -> str | None:
    """Find the token: an activity gets the secrets of the groups that it names, a control all groups."""
    for group in (secrets, *(one for one in secrets.values() if isinstance(one, dict))):
        if TOKEN in group:
            return str(group[TOKEN])
    return None
