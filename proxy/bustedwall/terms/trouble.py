"""What can be wrong with a file that facts are written to."""

from __future__ import annotations

from enum import Enum


class Trouble(Enum):
    """Why facts are not where they should be by now."""

    UNWRITABLE = "cannot be written"
    """The kernel refuses to write; what comes waits as long as there is room for it."""
    SLOW = "too slow"
    """It is written, but facts come faster; what finds no room is dropped."""
    NOT_REOPENED = "cannot be opened anew"
    """It was to be opened by its name once more, and could not be; the old file is written on."""
