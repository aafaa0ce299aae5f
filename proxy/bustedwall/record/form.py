"""How the log on stderr is written."""

from __future__ import annotations

from enum import Enum


class Form(Enum):
    """For whom the log is."""

    TEXT = "text"
    """A line for a person: when, where, what, and the fields that say something."""
    JSON = "json"
    """The line of the journal; of what is no fact: when, how bad, what, and the traceback."""
