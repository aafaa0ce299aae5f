"""`bustedwall suite init`: a suite to begin with."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import click

from bustedwall.cli.exits import Exit
from bustedwall.cli.words import Words
from bustedwall.policy.address import Address
from bustedwall.record.files import write_whole
from bustedwall.suite.starter import PROXY, Protocol, guess, names_server, starter

_GREETING = 0.5
"""Seconds in which a server that speaks first has spoken."""


@click.group()
def suite() -> None:
    """Make suites for `bustedwall test`."""


@suite.command()
@click.option("--upstream", type=Words("HOST:PORT", Address.parse), required=True, help="The real server.")
@click.option(
    "--protocol", type=click.Choice([one.value for one in Protocol]), help="What it speaks; else it is guessed."
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write this file; else stdout.")
@click.option("--force", is_flag=True, help="Write it also if it is there.")
@click.argument("command", nargs=-1, required=True, metavar="-- CMD…", type=click.UNPROCESSED)
def init(
    upstream: Address, protocol: str | None, output: Path | None, command: tuple[str, ...], *, force: bool
) -> None:
    """Write a suite of the dozen policies that matter for a protocol, around a command.

    Where the command has the upstream's address the suite has its proxy's; else the program has to find it.

    \b
    bustedwall suite init --upstream 127.0.0.1:8080 -o faults.yaml -- curl -sSf http://127.0.0.1:8080/
    bustedwall test faults.yaml
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    found, why = (Protocol(protocol), "") if protocol else guess(upstream.port, _greeting(upstream))
    text = starter(found, why, str(upstream), command)
    if not names_server(command, str(upstream)):
        variable = f"BUSTEDWALL_{PROXY.upper()}_ADDRESS"
        what = f"the command does not name {upstream}: it passes the proxy by unless it connects to {variable}"
        click.echo(f"bustedwall: {what}, or {{{PROXY}.address}} is written into the suite", err=True)
    if output is None:
        click.echo(text, nl=False)
        return
    if output.exists() and not force:
        click.echo(f"bustedwall: {output} is there already; --force writes it anew", err=True)
        sys.exit(Exit.CANNOT_START)
    write_whole(output, text.encode("utf-8"))
    click.echo(
        f"{output}: for {found.value}{f', guessed {why}' if why else ''}; now: bustedwall test {output}", err=True
    )


def _greeting(upstream: Address) -> bytes:
    """Return what the server says first; nothing is sent to it."""
    try:
        with socket.create_connection((upstream.host, upstream.port), timeout=_GREETING) as one:
            return one.recv(64)
    except OSError:  # it waits for the client, or is not there; the port has to do
        return b""
