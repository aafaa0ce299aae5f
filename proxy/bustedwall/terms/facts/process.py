"""Facts of the process: what signals and commands made it do."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.terms.facts.fact import Fact


@dataclass(frozen=True, slots=True)
class DrainBegan(Fact):
    """A proxy's door was shut for good while flows were open; they go on, for a while."""

    name = "drain-began"
    flows: int
    """How many were open."""
    seconds: float
    """After so many seconds those that are left are ended."""


@dataclass(frozen=True, slots=True)
class DrainEnded(Fact):
    """A proxy whose door was shut for good has no flow any more."""

    name = "drain-ended"
    drained: int
    """Flows that ended by themselves, or by their rules."""
    ended: int
    """Flows that we ended, by a RST on both legs."""


@dataclass(frozen=True, slots=True)
class RulesChanged(Fact):
    """A proxy has other rules from now on; a rule that was changed is both removed and added."""

    name = "rules-changed"
    added: tuple[str, ...]
    """Rules that begin, as `POLICY/RULE`."""
    removed: tuple[str, ...]
    """Rules that have ended; what they had armed is healed."""
    kept: int
    """How many rules run on."""


@dataclass(frozen=True, slots=True)
class Reloaded(Fact):
    """The config, or the policies of the command line, were read again and are in force."""

    name = "reloaded"
    added: tuple[str, ...]
    """Proxies that are new, by name."""
    removed: tuple[str, ...]
    """Proxies whose doors were shut for good; they drain."""
    changed: tuple[str, ...]
    """Proxies of which something is different; those of `rules-changed` are among them."""
    needs_restart: tuple[str, ...]
    """Keys of the config that are different and have no effect before the next start."""


@dataclass(frozen=True, slots=True)
class ReloadFailed(Fact):
    """What was to be read again is wrong, or cannot be had: nothing has changed."""

    name = "reload-failed"
    why: str
    """The first mistake, as one sentence."""
    mistakes: int
    """How many mistakes there are; 0: the run is about to end, and nothing is read any more."""
    failures: int
    """How many reloads of this run have failed, with this one."""


@dataclass(frozen=True, slots=True)
class Panic(Fact):
    """All rules were taken away at once, and what they had armed is healed; flows go on without, until a reload."""

    name = "panic"
    cause: str
    """Who asked: `signal`, `command file`, or who has asked the control API."""
    rules: int
    """How many rules were taken away, over all proxies."""
    faults: int
    """How many faults were in force then."""
    flows: int
    """On how many flows they were."""


@dataclass(frozen=True, slots=True)
class SignalFired(Fact):
    """Somebody fired a signal of the policies."""

    name = "signal-fired"
    signal: str
    """Its name."""
    rules: int
    """How many rules wait for it, over all proxies; 0: nobody has heard it."""


@dataclass(frozen=True, slots=True)
class CommandRefused(Fact):
    """A line of the command file is no command."""

    name = "command-refused"
    command: str
    """What it says, or the beginning of it."""
    why: str
    """What is wrong with it."""


@dataclass(frozen=True, slots=True)
class ControlChanged(Fact):
    """Somebody has changed something by the control API, or what he had asked for has run its time."""

    name = "control-changed"
    change: str
    """The operation, as in the API's own description; `policy_ended`: its `for` is over, or its flow."""
    what: str
    """What was changed, and to what."""
    who: str
    """Who asked: an address, or the user and the process at the other end of a Unix socket."""


@dataclass(frozen=True, slots=True)
class ProcessStalled(Fact):
    """Nothing was done for longer than five seconds: the process was stopped, or had no processor. It goes on now."""

    name = "process-stalled"
    seconds: float
    """How many seconds later than it should have been something was done."""


@dataclass(frozen=True, slots=True)
class ClockJumped(Fact):
    """The wall clock was set, or the machine slept: the times of facts jump here, and nothing else does."""

    name = "clock-jumped"
    seconds: float
    """Seconds by which it went forth, or back where that is negative; what is less than one is not told."""


@dataclass(frozen=True, slots=True)
class StateTold(Fact):
    """The state of all proxies and flows was asked for, and is written."""

    name = "state-told"
    to: str
    """The file, or `stdout`."""
    size: int
    """Bytes of the document; 0 where there is an error."""
    error: str | None = None
    """Why it could not be written."""
