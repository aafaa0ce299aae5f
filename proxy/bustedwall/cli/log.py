"""The log that a run is shown in: in a workflow of GitHub, what a program wrote must not be a command there."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import click

from bustedwall.policy.problem import workflow_command


class Log:
    """Used as a context: between its two ends GitHub's runner obeys nothing but the titles of groups.

    It looks for `##[…]` anywhere in a line, so that no indent keeps a text from being one.
    """

    def __init__(self, *, workflow: bool) -> None:
        """`workflow`: it is one of GitHub's; else this does nothing."""
        self._token = secrets.token_hex(16) if workflow else None

    def __enter__(self) -> Self:
        self._stop()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._go_on()

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Have what is written meanwhile under a title, which opens it."""
        if self._token is None:
            yield
            return
        self._go_on()
        click.echo(workflow_command("group", {}, title))
        self._stop()
        yield
        self._go_on()
        click.echo(workflow_command("endgroup", {}, ""))
        self._stop()

    def _stop(self) -> None:
        if self._token is not None:
            click.echo(workflow_command("stop-commands", {}, self._token))

    def _go_on(self) -> None:
        if self._token is not None:
            click.echo(workflow_command(self._token, {}, ""))
