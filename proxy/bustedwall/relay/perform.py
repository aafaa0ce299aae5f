"""Commands of a flow's logic, performed on its sockets, in order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bustedwall.kernel.endings import close, errno_name, reset, unsent, vanish
from bustedwall.kernel.loss import apply_losses
from bustedwall.kernel.sockets import Socket, life
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
from bustedwall.terms.events import Measured
from bustedwall.terms.facts import LossSet, WriteLost
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import Loss, Losses, Way

if TYPE_CHECKING:
    from bustedwall.relay.leg import TcpLeg
    from bustedwall.relay.tcpflow import TcpFlow

_OURS: Losses = frozenset({Loss(Way.TO)})

_FOR_EVER = 1e9
"""Seconds for which nothing has arrived on a leg that is no more."""


def perform(flow: TcpFlow, commands: Iterable[Command]) -> None:
    """Do what the logic asks; what comes of it is told to the logic when all is done."""
    for command in commands:
        if isinstance(command, Send):  # before the others: it is what nearly all of them are
            leg = flow.leg(command.leg)
            if command.lost:
                _send_lost(flow, leg, command.data)
            else:
                leg.write(command.data)
            continue
        match command:
            case Note(fact):
                flow.note(fact)
            case Shut(name):
                flow.leg(name).finish()
            case Flush(name, depth):
                leg = flow.leg(name)
                leg.flush = depth
                flow.try_flush(leg)
            case SetLoss(name, losses):
                _set_loss(flow, flow.leg(name), losses)
            case Measure(name):
                _measure(flow, name)
            case Dial():
                flow.dial()
            case _:
                _end(flow, command)


def _end(flow: TcpFlow, command: Reset | Close | Vanish) -> None:
    leg = flow.leg(command.leg)
    match command:
        case Reset():
            leg.close(reset)
        case Close(_, True):
            leg.close_unread()
        case Close():
            leg.close(lambda sock: flow.throw_away(close(sock)))
        case Vanish():
            leg.close(_vanish)


def _vanish(sock: Socket) -> None:
    """Vanish; where the kernel refuses, or the connection has ended by itself, close without a word."""
    try:
        vanish(sock)
    except OSError:
        reset(sock)


def _set_loss(flow: TcpFlow, leg: TcpLeg, losses: Losses) -> None:
    """Set a leg's losses; a kernel that refuses is a fact, because then nothing is lost."""
    error = None
    if not leg.gone:
        try:
            apply_losses(leg.sock, losses)
            leg.losses = losses
        except OSError as refusal:
            error = errno_name(refusal.errno)
    flow.note(LossSet(leg.name, tuple(sorted(f"{loss.what.value} {loss.way.value}" for loss in losses)), error))


def _send_lost(flow: TcpFlow, leg: TcpLeg, data: bytes) -> None:
    """Send bytes whose first transmission is lost; what cannot leave at once is not lost, and told."""
    if leg.gone or leg.blocked:
        leg.write(data)
        flow.note(WriteLost(leg.name, 0, len(data)))
        return
    try:
        apply_losses(leg.sock, leg.losses | _OURS)
        leg.write(data)
        if leg.gone:
            return
        kept = min(len(data), unsent(leg.sock) + sum(map(len, leg.pending or ())))
        apply_losses(leg.sock, leg.losses)
    except OSError as refusal:
        flow.note(LossSet(leg.name, ("next_write to",), errno_name(refusal.errno)))
        return
    flow.note(WriteLost(leg.name, len(data) - kept, kept))


def _measure(flow: TcpFlow, name: Leg) -> None:
    leg = flow.leg(name)
    flow.tell(Measured(name, *((_FOR_EVER, 0) if leg.gone else life(leg.sock))))
