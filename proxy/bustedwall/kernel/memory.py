"""Freed memory, given back to the kernel."""

from __future__ import annotations

import ctypes

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it; musl gives back by itself


def give_back() -> None:
    """Give back what the allocator keeps although it is freed.

    Chunks that rules look at or hold are large and of every size, so what they leave behind is full
    of small holes: 72 MB where 53 were used, measured. Takes about 70 us for a mebibyte given back,
    and 10 us if there is none.
    """
    if _trim is not None:
        _trim(0)
