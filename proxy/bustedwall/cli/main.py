"""The `bustedwall` command."""

from __future__ import annotations

import importlib
import sys
import traceback
from typing import Any, ClassVar

import click
from click.exceptions import NoSuchCommand

import bustedwall
from bustedwall.cli.exits import Exit
from bustedwall.cli.standard import give_up, keep_open, say
from bustedwall.terms.unfit import UnfitError


class _Commands(click.Group):
    """Imports a command when it is called: Twisted and pydantic take most of a start."""

    _SUMMARIES: ClassVar = {
        "check": "Say what is wrong with policies, configs and suites, and where.",
        "demo": "Show what a client gets, call by call, without a policy and with four.",
        "test": "Play a suite of programs behind proxies that break, and judge them.",
        "suite": "Make a suite to begin with.",
        "run": "Run the proxies of a config file, or one.",
        "replay": "Make the decisions of a recorded run again, or compare two.",
        "status": "Tell what a run does now: its proxies, their policies and flows.",
        "apply": "Have a proxy of a run use a policy, for a while or for good.",
        "clear": "Take policies away from a run's proxies.",
        "fire": "Fire a signal of the policies.",
        "kill": "End flows of a run, by RST, by FIN or without a word.",
        "facts": "Print what a run has recorded, or follow it.",
        "wait": "Wait until a rule has fired, flows are open, or a fact has come.",
        "panic": "Take all policies away from a run, at once and everywhere.",
        "explain": "Tell what an error text means, what may be behind it, and what does the same.",
        "policies": "List the policies of the library, or tell of one.",
        "faults": "List the faults, or tell of one.",
        "doctor": "Tell what works on this machine, and how to get what does not.",
        "schema": "Print the JSON Schema of a policy, a config, a suite, a line of the journal or a report.",
    }

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (click's own)
        """Run a command; what it does not deal with itself ends in a sentence, or is a bug of ours."""
        try:
            try:
                return super().main(*args, **kwargs)
            finally:
                if sys.stdout is not None:
                    sys.stdout.flush()
        except OSError as error:  # mostly stdout's: a disk is full
            if sys.stdout is not None:
                give_up(sys.stdout)
            say(f"bustedwall: {error.filename or 'stdout'}: {error.strerror}", err=True)
            sys.exit(Exit.CANNOT_START)
        except UnfitError as error:
            say(f"bustedwall: {error}", err=True)
            sys.exit(Exit.CANNOT_START)
        except Exception:  # noqa: BLE001 (the last one who can say that it is one)
            say(f"{traceback.format_exc()}\nbustedwall: this is a bug of bustedwall", err=True)
            sys.exit(Exit.BUG)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which one meets them."""
        return list(self._SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name: the object of that name in the module of that name."""
        if cmd_name not in self._SUMMARIES:
            return None
        command = getattr(importlib.import_module(f"bustedwall.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; click looks for the nearest name among those imported, which are none."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:
            raise NoSuchCommand(error.command_name, possibilities=self._SUMMARIES, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._SUMMARIES.items()))


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(bustedwall.__version__, prog_name="bustedwall")
def main() -> None:
    """Break TCP connections the way real networks, firewalls and dying hosts do.

    \b
    bustedwall demo                                          see it, in ten seconds
    bustedwall run --listen 127.0.0.1:8081 --upstream 127.0.0.1:80 \\
        --policy reset-mid-response                          put it before your server
    bustedwall run configs/demo.yaml                         several proxies, from a file
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    keep_open()
