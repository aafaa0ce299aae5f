"""`bustedwall run`: the proxies, until a signal ends them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import cast

import click

from bustedwall.cli.exits import Exit
from bustedwall.cli.serving import Options, serve
from bustedwall.cli.standard import is_terminal, say
from bustedwall.cli.words import Words
from bustedwall.kernel.abilities import find_out
from bustedwall.kernel.memory import keep_one_heap
from bustedwall.policy.address import Address, Listen, contradictions, source, where_to_listen
from bustedwall.policy.capture import SNAPLEN, capture, objections
from bustedwall.policy.config_model import MSS, SEEDS, OnMissing
from bustedwall.policy.control import ControlDoor, where_to_control
from bustedwall.policy.load import load_config, load_limits, load_typed
from bustedwall.policy.missing import Terms
from bustedwall.policy.model import checked_name
from bustedwall.policy.problem import PolicyError, Problem
from bustedwall.policy.proxy_protocol import ProxyProtocol
from bustedwall.policy.setup import Config, ProxySetup
from bustedwall.record.files import check_place
from bustedwall.record.form import Form
from bustedwall.terms.limits import DEFAULT_LIMITS
from bustedwall.terms.needs import Needs
from bustedwall.terms.proxy_header import Version
from bustedwall.terms.units import duration


class _Place(click.ParamType[Address | Path]):
    name = "[HOST:]PORT|FILE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address | Path:
        if isinstance(value, Address | Path):
            return value
        host, _, port = str(value).rpartition(":")
        if not port.isascii() or not port.isdigit() or "/" in host:
            return Path(str(value))
        try:
            return Address.parse(f"{host or '127.0.0.1'}:{port}")
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Scale(click.FloatRange):
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(cast("float", value), param, ctx))
        if not isfinite(number):  # NaN is in every range
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


def _checked(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    """Refuse a file that cannot be written now, and not at the first SIGUSR1, which may be when it matters."""
    if path is not None:
        try:
            check_place(path)
        except OSError as error:
            say(f"bustedwall: {path}: {error.strerror}", err=True)
            sys.exit(Exit.CANNOT_START)
    return path


@click.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option(
    "--listen",
    type=Words("HOST:PORT", where_to_listen),
    help="Where clients connect; port 0 picks one; fd:NAME is systemd's.",
)
@click.option("--upstream", type=Words("HOST:PORT", Address.parse), help="The real server.")
@click.option("--policy", "policies", multiple=True, metavar="NAME[:k=v,…]", help="A policy of the library, or a file.")
@click.option(
    "--fault", "faults", multiple=True, metavar="STEP", help="A step, as in 'reset client'; several in order."
)
@click.option("--when", metavar="MOMENT", help="When the faults are done, as in 'bytes 1kB from server'; else at once.")
@click.option(
    "--source", type=Words("ADDRESS", source), help="The address of this machine from which the upstream is connected."
)
@click.option(
    "--mss", type=click.IntRange(*MSS), help="The longest segment of either leg, in bytes; 1460 is Ethernet's."
)
@click.option("--pcap", metavar="DIR", help="Capture each flow to a pcap file in this folder; needs CAP_NET_RAW.")
@click.option("--snaplen", type=click.IntRange(*SNAPLEN), help="Bytes that --pcap keeps of each packet; else 128.")
@click.option("--proxy-protocol-in", "hears", is_flag=True, help="Clients send a PROXY header first, version 1 or 2.")
@click.option(
    "--proxy-protocol-out",
    "tells",
    type=click.Choice(Version, case_sensitive=False),
    help="Send the upstream a PROXY header of this version first.",
)
@click.option(
    "--name",
    type=Words("NAME", checked_name),
    default="proxy",
    show_default=True,
    help="What to call this proxy in the records.",
)
@click.option("--seed", type=click.IntRange(0, SEEDS - 1), help="Where all chance comes from; else it is drawn.")
@click.option(
    "--time-scale",
    type=_Scale(0, min_open=True),
    help="Divides the default times of policies, where a policy says that it may.",
)
@click.option(
    "--on-missing",
    type=click.Choice(OnMissing, case_sensitive=False),
    help="What becomes of steps that this machine cannot do.",
)
@click.option("--dry-run", is_flag=True, help="Rules decide and are recorded, and nothing is done.")
@click.option("--limit", "limits", multiple=True, metavar="NAME=VALUE", help="One of the limits, as in orphan=5s.")
@click.option("--journal", type=click.Path(path_type=Path), help="Append every fact to this file, as JSON Lines.")
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path),
    help="Write this file once all proxies listen; it goes with them.",
)
@click.option(
    "--state-file",
    type=click.Path(path_type=Path),
    callback=_checked,
    help="Where SIGUSR1 writes the state of all flows, as JSON; else to stdout.",
)
@click.option(
    "--command-file", type=click.Path(path_type=Path), help="Make a named pipe that takes commands, as in 'echo panic'."
)
@click.option(
    "--drain",
    type=Words("DURATION", duration),
    default="10s",
    show_default=True,
    help="How long open flows may go on after SIGTERM or SIGINT; 0s ends them at once.",
)
@click.option(
    "--log",
    type=click.Choice(["auto", *(form.value for form in Form)]),
    default="auto",
    show_default=True,
    help="How stderr is written; auto: text on a terminal, lines of JSON elsewhere.",
)
@click.option(
    "--metrics",
    type=_Place(),
    help="Serve Prometheus metrics, as in 9464 for 127.0.0.1:9464; or write them to a file such as run.prom.",
)
@click.option(
    "--control",
    type=Words("[HOST:]PORT|unix:PATH", where_to_control),
    help="Serve the HTTP API, as in 8474 for 127.0.0.1:8474, or on a Unix socket.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="What clients of --control must know; else BUSTEDWALL_TOKEN, or the file BUSTEDWALL_TOKEN_FILE.",
)
@click.option(
    "--read-token-file",
    type=click.Path(path_type=Path),
    help="The same for clients that only look; else BUSTEDWALL_READ_TOKEN or BUSTEDWALL_READ_TOKEN_FILE.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show also what every flow does.")
@click.option("-q", "--quiet", is_flag=True, help="Show errors only.")
def run(
    config: Path | None,
    listen: Listen | None,
    upstream: Address | None,
    policies: tuple[str, ...],
    faults: tuple[str, ...],
    when: str | None,
    source: str | None,
    mss: int | None,
    pcap: str | None,
    snaplen: int | None,
    tells: Version | None,
    name: str,
    seed: int | None,
    time_scale: float | None,
    on_missing: OnMissing | None,
    limits: tuple[str, ...],
    journal: Path | None,
    ready_file: Path | None,
    state_file: Path | None,
    command_file: Path | None,
    drain: float,
    log: str,
    metrics: Address | Path | None,
    control: ControlDoor | None,
    token_file: Path | None,
    read_token_file: Path | None,
    *,
    hears: bool,
    dry_run: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Run the proxies of CONFIG, or one from --listen and --upstream.

    Prints `listening NAME HOST:PORT` for each proxy when it is ready, and on stderr the seed.
    SIGTERM and SIGINT shut the doors, let open flows go on for --drain, end the rest with a RST and exit 0.
    SIGHUP reads the policies again, SIGUSR1 tells the state as JSON, SIGUSR2 takes all rules away at once.

    \b
    bustedwall run configs/demo.yaml
    bustedwall run --listen 127.0.0.1:15432 --upstream db.internal:5432
    bustedwall run --listen 127.0.0.1:0 --upstream 127.0.0.1:80 --policy slow-link:delay=50ms
    bustedwall run --listen 127.0.0.1:0 --upstream 127.0.0.1:80 \\
        --fault 'drop all from client' --fault 'wait 5s' --fault 'reset client' --when 'bytes 1kB from server'
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    if (config is None) == (listen is None and upstream is None):
        raise click.UsageError("give either a CONFIG file, or --listen and --upstream")
    if when is not None and not faults:
        raise click.UsageError("--when says at which moment the --fault is done; there is no --fault")
    if config is not None and (policies or faults or hears or tells or source or mss or pcap or snaplen):
        typed = "--policy, --fault, --source, --mss, --pcap, --snaplen, --proxy-protocol-in and -out"
        raise click.UsageError(f"{typed} go with --listen and --upstream; a CONFIG names its own")
    keep_one_heap()  # before the first thread
    missing = find_out().missing()

    def load() -> Config:
        """Read what the command line names; once more at each reload."""
        own = load_limits(limits)
        if config is not None:
            setup = load_config(config, missing, time_scale=time_scale, on_missing=on_missing, limits=own)
        elif listen is None or upstream is None:
            raise click.UsageError("--listen and --upstream go together")
        else:
            terms = Terms(time_scale or 1.0, missing, on_missing or OnMissing.FAIL)
            found = load_typed(policies, faults, when, terms)
            allowed = own.over(DEFAULT_LIMITS)
            spoken = ProxyProtocol(hears, tells)
            kept = capture(pcap, snaplen)
            bare = ProxySetup(name, listen, upstream, (), (), spoken, allowed, source, mss, capture=kept)
            _refuse([f"--{key}: {what}" for key, what, _ in contradictions(listen, upstream, source)])
            if problems := _about_capture(pcap, snaplen, missing):
                raise PolicyError(problems)
            setup = Config(terms, None, (bare.with_policies(found.applied),), limits=allowed)
        if dry_run:
            dry = tuple(replace(proxy, dry_run=True) for proxy in setup.proxies)
            setup = replace(setup, proxies=dry, dry_run=True)
        seeded = setup.seed if seed is None else seed
        return replace(setup, journal=journal or setup.journal, seed=seeded, control=control or setup.control)

    try:
        setup = load()
    except PolicyError as error:
        say(str(error), err=True)
        lacking = any(problem.privilege for problem in error.problems)
        sys.exit(Exit.MISSING_PRIVILEGE if lacking else Exit.FINDING)
    form = (Form.TEXT if is_terminal(sys.stderr) else Form.JSON) if log == "auto" else Form(log)
    options = Options(
        drain,
        form,
        ready_file,
        state_file,
        command_file,
        metrics,
        token_file,
        read_token_file,
        verbose=verbose,
        quiet=quiet,
    )
    sys.exit(serve(setup, load, options))


def _refuse(contradictions: Sequence[str]) -> None:
    """Raise a usage error with the first of these, if there is one."""
    if contradictions:
        raise click.UsageError(contradictions[0])


def _about_capture(folder: str | None, snaplen: int | None, missing: Needs) -> list[Problem]:
    """Return what is wrong with --pcap and --snaplen."""
    return [
        Problem(f"--{key}", 0, 0, 0, "", what, hint, privilege=lacks)
        for key, what, hint, lacks in objections(folder, snaplen, missing)
    ]
