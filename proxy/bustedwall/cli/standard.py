"""Standard input, output and error: who started us may have closed them, or may do so at any time."""

from __future__ import annotations

import os
import sys
from typing import TextIO

import click


def keep_open() -> None:
    """Open /dev/null in place of each that is closed, or the next file or socket would get its number."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one


def say(text: str, *, err: bool = False) -> None:
    """Print a line, if there is anybody to read it."""
    try:
        click.echo(text, err=err)
    except OSError:
        give_up(sys.stderr if err else sys.stdout)


def give_up(stream: TextIO) -> None:
    """Have a stream that takes nothing go nowhere, or what is still in its buffer would fail once more at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a person may read a stream; None: it was closed before we began."""
    return stream is not None and stream.isatty()
