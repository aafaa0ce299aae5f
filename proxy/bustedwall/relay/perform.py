"""Commands of a flow's logic, performed on its sockets, in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from bustedwall.kernel.endings import errno_name, unsent
from bustedwall.kernel.evidence import snapshot
from bustedwall.kernel.loss import apply_losses, lose_outgoing
from bustedwall.kernel.sockets import life
from bustedwall.relay.aim import Aim
from bustedwall.relay.ending import end_leg
from bustedwall.relay.rejection import Rejection
from bustedwall.relay.witness import Witness
from bustedwall.terms.commands import (
    Close,
    Command,
    Dial,
    Flush,
    Measure,
    Note,
    Reset,
    Send,
    SetLoss,
    Shut,
    Vanish,
)
from bustedwall.terms.endings import How
from bustedwall.terms.events import Measured
from bustedwall.terms.facts import LossSet, WriteLost
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import NO_LOSS, Loss, Losses, Way

if TYPE_CHECKING:
    from bustedwall.relay.consulting import Consulting
    from bustedwall.relay.leg import TcpLeg

_OURS: Losses = frozenset({Loss(Way.TO)})

_NEXT_WRITE = ("next_write to",)

_FOR_EVER = 1e9
"""Seconds for which nothing has arrived on a leg that is no more."""


def perform(flow: Consulting, commands: Iterable[Command]) -> None:
    """Do what the logic asks; what comes of it is told to the logic when all is done."""
    for command in commands:
        if isinstance(command, Send):  # before the others: it is what nearly all of them are
            leg = flow.leg(command.leg)
            if command.lost or not flow.opened:
                _send_otherwise(flow, leg, command)
            else:
                leg.write(command.data)
            continue
        match command:
            case Note(fact):
                flow.note(fact)
            case Shut(name, ""):
                flow.leg(name).finish()
            case Flush(name, depth):
                leg = flow.leg(name)
                leg.flush = depth
                flow.try_flush(leg)
            case SetLoss():
                _set_loss(flow, flow.leg(command.leg), command)
            case Measure(name):
                _measure(flow, name)
            case Dial():
                flow.dial()
            case _:
                _end(flow, command)


def _end(flow: Consulting, command: Reset | Shut | Close | Vanish) -> None:
    leg = flow.leg(command.leg)
    match command:
        case Reset():
            end_leg(leg, How.RESET, command.cause, command.ttl)
        case Close(_, True):
            leg.close_unread(command.cause)
        case Close():
            end_leg(leg, How.CLOSE, command.cause)
        case Shut():
            end_leg(leg, How.HALF_CLOSE, command.cause)
        case Vanish():
            end_leg(leg, How.VANISH, command.cause)


def _set_loss(flow: Consulting, leg: TcpLeg, command: SetLoss) -> None:
    """Set a leg's losses and watch them; a kernel that refuses is a fact, because then nothing is lost."""
    words = tuple(sorted(map(str, command.losses)))
    if leg.gone:
        flow.note(LossSet(leg.name, words, "ENOTCONN" if words else None, command.causes))
        return
    witness = _witness(leg)
    witness.end()
    error = None
    try:
        apply_losses(leg.sock, command.losses, leg.losses, partial(_ready, leg))
        leg.losses = command.losses
    except OSError as refusal:
        error = errno_name(refusal.errno)
        leg.losses &= _OURS  # see apply_losses
        if leg.aim is not None:  # or it would attach, when it looks again, what was refused
            leg.aim.close()
            leg.aim = None
        _reject(leg, NO_LOSS)
    flow.note(LossSet(leg.name, words, error, command.causes))
    if words:
        witness.begin(command.losses, words, command.causes)


def _ready(leg: TcpLeg, losses: Losses) -> Mapping[Loss, int]:
    """Have what is rejected answered, before it is lost; return where losses are aimed. Raises OSError."""
    _reject(leg, losses)
    if leg.aim is None:
        if not any(loss.aimed for loss in losses):
            return {}
        leg.aim = Aim(leg)
    return leg.aim.take(losses)


def _reject(leg: TcpLeg, losses: Losses) -> None:
    """Answer what arrives from now on, or no longer."""
    wanted = any(loss.rejected for loss in losses)
    if wanted and leg.rejection is None:
        leg.rejection = Rejection(leg)
    elif leg.rejection is not None and not wanted:
        leg.rejection.close()
        leg.rejection = None


def _witness(leg: TcpLeg) -> Witness:
    if leg.witness is None:
        leg.witness = Witness(leg)
    return leg.witness


def _send_otherwise(flow: Consulting, leg: TcpLeg, command: Send) -> None:
    if flow.opened:
        _send_lost(flow, leg, command.data, command.lost)
    else:
        leg.write_first(command.data)


def _send_lost(flow: Consulting, leg: TcpLeg, data: bytes, cause: str) -> None:
    """Send bytes whose first transmission is lost; what cannot leave at once is not lost, and told."""
    lost = False
    if not (leg.gone or leg.blocked):
        try:
            lose_outgoing(leg.sock, lost=True)
            lost = True
        except OSError as refusal:
            flow.note(LossSet(leg.name, _NEXT_WRITE, errno_name(refusal.errno), (cause,)))
    if not lost:
        leg.write(data)
        flow.note(WriteLost(leg.name, 0, len(data)))
        return
    begun = snapshot(leg.sock)
    leg.write(data)
    kept = min(len(data), unsent(leg.sock) + sum(map(len, leg.pending or ()))) if not leg.gone else 0
    flow.note(WriteLost(leg.name, len(data) - kept, kept))
    if not leg.gone and not leg.losses & _OURS:
        _witness(leg).saw(_NEXT_WRITE, (cause,), begun)
        try:
            lose_outgoing(leg.sock, lost=False)
        except OSError as refusal:  # ENOTCONN: the peer has reset the connection just now, as a read will tell
            flow.note(LossSet(leg.name, (), errno_name(refusal.errno)))


def _measure(flow: Consulting, name: Leg) -> None:
    leg = flow.leg(name)
    flow.tell(Measured(name, *((_FOR_EVER, 0) if leg.gone else life(leg.sock))))
