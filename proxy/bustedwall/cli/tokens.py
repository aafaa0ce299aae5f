"""The tokens of the HTTP API: from files and from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bustedwall.control.access import Tokens, checked_token
from bustedwall.policy.control import ControlDoor, is_local

FULL = "BUSTEDWALL_TOKEN"
READ = "BUSTEDWALL_READ_TOKEN"

_LONGEST = 4096


class TokenError(Exception):
    """There is no token where there must be one, or one that is none."""


def tokens(where: ControlDoor, full: Path | None, read: Path | None, environ: Mapping[str, str]) -> Tokens:
    """Return what clients of an API at an address must know; raises TokenError, or OSError of a file."""
    found = Tokens(_token(FULL, full, environ), _token(READ, read, environ))
    if not found.any and not is_local(where):
        raise TokenError(
            f"control on {where}: others than this machine can come there, so it takes a token: "
            f"--token-file, {FULL} or {FULL}_FILE"
        )
    return found


def _token(name: str, file: Path | None, environ: Mapping[str, str]) -> str | None:
    """Return a token: of the file, else of the variable, else of the file that `NAME_FILE` names; None: of none."""
    source, said = str(file), None
    if file is None and name in environ:
        source, said = name, environ[name]
    elif file is None and f"{name}_FILE" in environ:
        file = Path(environ[f"{name}_FILE"])
        source = str(file)
    if file is not None:
        with file.open("rb") as opened:
            said = opened.read(_LONGEST).decode("ascii", "replace")
    if said is None:
        return None
    try:
        return checked_token(said)
    except ValueError as error:
        raise TokenError(f"{source}: {error}") from None
