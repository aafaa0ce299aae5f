"""Facts of what was captured on the wire."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.terms.facts.fact import Fact


@dataclass(frozen=True, slots=True)
class Captured(Fact):
    """A flow's packets are in its file, and no more will come: a second after both its sockets were closed."""

    name = "captured"
    file: str | None
    """The pcap file; None: there is none, because it could not be made."""
    packets: int
    """Packets that are in it."""
    size: int
    """Bytes that the file has."""
    lost: int
    """Packets of this proxy that are in no file and came while this flow was captured, some of it or none."""
    error: str | None = None
    """Why some were not written: the errno's name, the last one; or `too slow`."""


@dataclass(frozen=True, slots=True)
class CaptureDropped(Fact):
    """Packets that came by are in no file; it is told once a second while that goes on."""

    name = "capture-dropped"
    by_kernel: int
    """Packets that found no room in the kernel's ring."""
    here: int
    """Packets that waited in vain, for a flow that they could be of, or for the disk."""


@dataclass(frozen=True, slots=True)
class CaptureTroubled(Fact):
    """A capture cannot be written; told once until one is. Flows go on, and what is lost is counted."""

    name = "capture-troubled"
    file: str
    """The file, or the folder where there is none."""
    error: str
    """The errno's name."""
