"""What another package brings, and cannot be used."""

from __future__ import annotations


class UnfitError(Exception):
    """An installed package says that it has a fault, and has none that could be one; its text says which and why."""
