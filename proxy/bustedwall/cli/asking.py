"""What the commands have in common that ask a run: where it is, and what becomes of a refusal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import click

from bustedwall.cli.exits import Exit
from bustedwall.cli.standard import say
from bustedwall.client import Client, ControlError, Json

Command = TypeVar("Command", bound=Callable[..., object])

_UNAUTHORIZED = (401, 403)


def addressed(command: Command) -> Command:
    """Give a command the options of all that ask a run."""
    options = (
        click.option(
            "--control",
            metavar="ADDRESS",
            envvar="BUSTEDWALL_CONTROL",
            show_envvar=True,
            help="Where the API is: HOST:PORT or unix:PATH; else 127.0.0.1:8474.",
        ),
        click.option(
            "--token-file",
            type=click.Path(path_type=Path),
            help="Where the token is; else BUSTEDWALL_TOKEN, or the file BUSTEDWALL_TOKEN_FILE.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@contextmanager
def asking(control: str | None, token_file: Path | None) -> Iterator[Client]:
    """Yield a client; what is refused, or cannot be reached, ends the process with a sentence."""
    try:
        token = None if token_file is None else token_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        _end(Exit.CANNOT_START, f"{token_file}: {getattr(error, 'strerror', None) or 'this is no token'}")
    try:
        with Client(control, token=token) as client:
            yield client
    except ControlError as error:
        lines = [error.detail]
        if error.errors:
            lines = [f"{one['path']}: {one['message']}".removeprefix(": ") + _hint(one) for one in error.errors]
        _end(Exit.MISSING_PRIVILEGE if error.status in _UNAUTHORIZED else Exit.FINDING, "\nbustedwall: ".join(lines))
    except ValueError as error:
        _end(Exit.USAGE, str(error))
    except OSError as error:  # of the connection: what is printed goes by `say`, which deals with its own
        where = control or "127.0.0.1:8474"
        why = error.strerror or str(error) or type(error).__name__
        _end(Exit.CANNOT_START, f"{where}: {why}; is there a run with --control?")


def _hint(mistake: Json) -> str:
    return f"; {mistake['hint']}" if mistake.get("hint") else ""


def _end(status: Exit, why: str) -> None:
    say(f"bustedwall: {why}", err=True)
    sys.exit(status)


def which(client: Client, proxy: str | None) -> str:
    """Return the proxy that is meant: the one that is named, or the only one that there is."""
    if proxy is not None:
        return proxy
    names = [one["name"] for one in client.proxies()]
    if len(names) != 1:
        raise click.UsageError(f"say which with --proxy: {', '.join(names)}")
    return str(names[0])


def tell(value: object, text: str, *, as_json: bool) -> None:
    """Print an answer."""
    say(json.dumps(value, ensure_ascii=False) if as_json else text)
