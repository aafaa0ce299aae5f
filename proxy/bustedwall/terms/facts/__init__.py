"""What is recorded: one stream of facts that journal, log, metrics and tests read.

A fact says what was observed or decided, never what to do. `name` is the word in the journal;
it is written out so that renaming a class does not rename a word that users search for.
The first line of its docstring says when it is recorded, and each field says what it is and in
which unit: docs/facts.md is made of them. `__all__` has the order of that page.
"""

from bustedwall.terms.facts.capture import Captured, CaptureDropped, CaptureTroubled
from bustedwall.terms.facts.door import AcceptPaused, DoorSet, ProxyHeaderRefused, ProxyListening
from bustedwall.terms.facts.ending import EndingEvidence, FlushGaveUp, LegClosed, ResetSent
from bustedwall.terms.facts.fact import Fact
from bustedwall.terms.facts.flow import (
    AddressesLeftOut,
    AddressFailed,
    FlowAccepted,
    FlowClosed,
    FlowFailed,
    FlowOpened,
    LegBlocked,
    PeerFinished,
    PeerLost,
    TurnSent,
)
from bustedwall.terms.facts.journal import FactsDropped, JournalTroubled
from bustedwall.terms.facts.limit import LimitReached
from bustedwall.terms.facts.loss import LossEvidence, LossSet, SegmentsRejected, WriteLost
from bustedwall.terms.facts.process import (
    ClockJumped,
    CommandRefused,
    ControlChanged,
    DrainBegan,
    DrainEnded,
    Panic,
    ProcessStalled,
    Reloaded,
    ReloadFailed,
    RulesChanged,
    SignalFired,
    StateTold,
)
from bustedwall.terms.facts.rule import (
    ClientForgotten,
    DryRun,
    FaultArmed,
    FaultEnded,
    OrderLooked,
    RuleFired,
    RuleMissed,
    RuleSpared,
    ShareDrawn,
    StepMoot,
    TextHidden,
)
from bustedwall.terms.facts.run import ReplayDiverged, RunStarted, SetupTold, StepUnmet

__all__ = [  # noqa: RUF022 (the order of docs/facts.md)
    "Fact",
    "RunStarted",
    "SetupTold",
    "StepUnmet",
    "ReplayDiverged",
    "DrainBegan",
    "DrainEnded",
    "Reloaded",
    "ReloadFailed",
    "RulesChanged",
    "Panic",
    "SignalFired",
    "CommandRefused",
    "ControlChanged",
    "StateTold",
    "ProcessStalled",
    "ClockJumped",
    "JournalTroubled",
    "FactsDropped",
    "ProxyListening",
    "AcceptPaused",
    "ProxyHeaderRefused",
    "DoorSet",
    "LimitReached",
    "FlowAccepted",
    "AddressFailed",
    "AddressesLeftOut",
    "FlowOpened",
    "PeerFinished",
    "PeerLost",
    "LegBlocked",
    "TurnSent",
    "FlowClosed",
    "FlowFailed",
    "OrderLooked",
    "ShareDrawn",
    "RuleFired",
    "RuleSpared",
    "RuleMissed",
    "ClientForgotten",
    "TextHidden",
    "FaultArmed",
    "DryRun",
    "FaultEnded",
    "StepMoot",
    "ResetSent",
    "LegClosed",
    "FlushGaveUp",
    "EndingEvidence",
    "LossSet",
    "SegmentsRejected",
    "WriteLost",
    "LossEvidence",
    "Captured",
    "CaptureDropped",
    "CaptureTroubled",
]
