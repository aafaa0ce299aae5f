"""What is to be captured of a proxy's flows, and where to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bustedwall.terms.needs import Ability, Needs, way_to

SNAPLEN = (128, 65535)
"""How much of a packet may be kept, the ends included: its headers at least, and at most all of it."""


@dataclass(frozen=True, slots=True)
class Capture:
    """Each flow of a proxy is captured to a pcap file."""

    folder: Path
    """As it was written: a relative path is relative to the working directory."""
    snaplen: int = SNAPLEN[0]
    """Bytes that are kept of each packet."""


def capture(folder: str | None, snaplen: int | None) -> Capture | None:
    """Return what is written as `pcap` and `snaplen`; None: nothing is captured."""
    return None if folder is None else Capture(Path(folder), snaplen or SNAPLEN[0])


def objections(folder: str | None, snaplen: int | None, missing: Needs) -> Iterator[tuple[str, str, str, bool]]:
    """Yield what is wrong: the key, a message, a hint, and whether it is this machine that lacks something."""
    if snaplen is not None and folder is None:
        what = "it says how much of each packet 'pcap' keeps, and there is no 'pcap'"
        yield "snaplen", what, "give 'pcap' the folder for the files", False
    if folder is not None and Ability.CAPTURE in missing:
        what = f"'pcap' needs {Ability.CAPTURE.value}, which this machine's kernel does not give us"
        capability = Ability.CAPTURE.privilege
        assert capability is not None
        yield "pcap", what, f"it takes {way_to(capability)}; or leave 'pcap' out", True
