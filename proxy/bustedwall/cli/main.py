"""The `bustedwall` command."""

from __future__ import annotations

import importlib

import click

import bustedwall


class _Commands(click.Group):
    """Imports a command when it is asked for: Twisted and pydantic take most of a start."""

    _NAMES = ("demo", "run")

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which one meets them."""
        return list(self._NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name: the object of that name in the module of that name."""
        if cmd_name not in self._NAMES:
            return None
        command = getattr(importlib.import_module(f"bustedwall.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(bustedwall.__version__, prog_name="bustedwall")
def main() -> None:
    r"""Break TCP connections the way real networks, firewalls and dying hosts do.

    \b
    bustedwall demo                                          see it, in ten seconds
    bustedwall run --listen 127.0.0.1:8081 --upstream 127.0.0.1:80 \\
        --policy reset-mid-response                          put it before your server
    bustedwall run configs/demo.yaml                         several proxies, from a file
    """
