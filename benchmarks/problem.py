"""Why there is no measurement."""

from __future__ import annotations


class CannotRunError(Exception):
    """Something that the benchmarks need is missing or did not start; the message says what."""
