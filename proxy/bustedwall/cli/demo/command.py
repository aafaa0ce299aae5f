"""The command: acts played one after the other, on real connections through real proxies."""

from __future__ import annotations

import json
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, cast

import click

from bustedwall.cli.demo.acts import CAUSES
from bustedwall.cli.demo.stage import Outcome, Stage
from bustedwall.cli.exits import Exit
from bustedwall.policy.address import Address
from bustedwall.policy.load import load_use
from bustedwall.policy.setup import ProxySetup
from bustedwall.terms.facts import Fact

if TYPE_CHECKING:
    from bustedwall.relay.poller import Reactor

NEXT = """\
Every cell is what it must be. Now before a server of your own:

    bustedwall run --listen 127.0.0.1:8081 --upstream 127.0.0.1:80 --policy reset-mid-response
"""
OTHERWISE = "Not every cell is what it must be: this machine does something that the demo does not expect."


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print what was seen, and what must be, as JSON.")
def demo(*, as_json: bool) -> None:
    """Show who resets a connection: the causes, what both programs see, and what was on the wire.

    Needs no privilege and no network; ends by itself within twenty seconds. Exits 0 only if every cell
    is what it must be.
    """
    from twisted.internet import reactor  # noqa: PLC0415 (importing it chooses the reactor of the process)

    from bustedwall.relay.wall import Wall  # noqa: PLC0415 (late, for a quick --help)

    acts = [(cause.title, act) for cause in CAUSES for act in cause.acts]
    stages = [Stage(title, act) for title, act in acts]
    facts = {str(number): stage.facts for number, stage in enumerate(stages)}

    def record(proxy: str | None, _: int | None, fact: Fact) -> None:
        if proxy is not None:
            facts[proxy].append(fact)

    door = Address("127.0.0.1", 0)
    setups = [
        ProxySetup(str(number), door, stage.server.address, load_use(stage.act.policy) if stage.act.policy else ())
        for number, stage in enumerate(stages)
    ]
    wall = Wall(cast("Reactor", reactor), setups, record, seed=0, verbose=False)
    wall.startService()
    outcomes: list[Outcome] = []

    def show() -> None:
        told = ""
        try:
            for stage, proxy in zip(stages, wall.proxies, strict=True):
                outcomes.append(stage.play(proxy.address, partial(wall.reactor.callFromThread, proxy.clear)))
                if not as_json:
                    click.echo(("" if stage.cause == told else f"{stage.cause}\n\n") + _shown(outcomes[-1]))
                told = stage.cause
        finally:
            wall.reactor.callFromThread(reactor.stop)

    reactor.addSystemEventTrigger("before", "shutdown", wall.stopService)
    reactor.callWhenRunning(threading.Thread(target=show, daemon=True).start)
    reactor.run()
    held = len(outcomes) == len(stages) and not any(outcome.wrong for outcome in outcomes)
    if as_json:
        click.echo(json.dumps([outcome.as_json() for outcome in outcomes], indent=2))
    else:
        click.echo(NEXT if held else OTHERWISE)
    sys.exit(Exit.OK if held else Exit.FINDING)


def _shown(outcome: Outcome) -> str:
    act, wrong = outcome.act, outcome.wrong
    verdict = f"UNEXPECTED: {', '.join(wrong)}" if wrong else "ok"
    lines = [f"  {act.policy or 'no policy'}   [{outcome.seconds:.2f} s]  {verdict}", f"    {act.shows}"]
    for name, cell in outcome.cells.items():
        if cell or name in wrong:
            lines.append(f"    {name:<9} {'   '.join(cell)}")
        if name in wrong:
            lines.append(f"    {'must be':<9} {'   '.join(act.cells[name])}")
    return "\n".join(lines) + "\n"
