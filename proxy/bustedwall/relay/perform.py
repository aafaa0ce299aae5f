"""Commands of a flow's logic, performed on its sockets, in order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bustedwall.kernel.endings import errno_name, reset
from bustedwall.kernel.loss import apply_losses
from bustedwall.terms.commands import Command, Dial, Flush, Note, Reset, Send, SetLoss, Shut
from bustedwall.terms.facts import LossSet
from bustedwall.terms.losses import Losses

if TYPE_CHECKING:
    from bustedwall.relay.leg import TcpLeg
    from bustedwall.relay.tcpflow import TcpFlow


def perform(flow: TcpFlow, commands: Iterable[Command]) -> None:
    """Do what the logic asks; what comes of it is told to the logic when all is done."""
    for command in commands:
        if isinstance(command, Send):  # before the others: it is what nearly all of them are
            flow.leg(command.leg).write(command.data)
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
            case Reset(name):
                flow.leg(name).close(reset)
            case SetLoss(name, losses):
                _set_loss(flow, flow.leg(name), losses)
            case Dial():
                flow.dial()


def _set_loss(flow: TcpFlow, leg: TcpLeg, losses: Losses) -> None:
    """Set a leg's losses; a kernel that refuses is a fact, because then nothing is lost."""
    error = None
    if not leg.gone:
        try:
            apply_losses(leg.sock, losses)
        except OSError as refusal:
            error = errno_name(refusal.errno)
    flow.note(LossSet(leg.name, tuple(sorted(f"{loss.what.value} {loss.way.value}" for loss in losses)), error))
