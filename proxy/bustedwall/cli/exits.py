"""Exit codes, the same for every command."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How a command ends."""

    OK = 0
    FINDING = 1
    """What was asked about is not as it should be: a wrong policy, a row of the demo that did not hold."""
    USAGE = 2
    """The command line itself; click's own code."""
    CANNOT_START = 3
    """An address is taken, a file cannot be written, an installed package brings a fault that is none."""
    MISSING_PRIVILEGE = 4
    """A policy asks for what this machine's kernel does not give us."""
    BUG = 70
    """An error of ours."""
