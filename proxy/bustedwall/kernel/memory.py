"""Memory that the process keeps, and that it gives back to the kernel."""

from __future__ import annotations

import ctypes

_libc = ctypes.CDLL(None)
_trim = getattr(_libc, "malloc_trim", None)  # glibc has it; musl gives back by itself
_option = getattr(_libc, "mallopt", None)

_ARENA_MAX = -8  # M_ARENA_MAX, malloc.h


def keep_one_heap() -> None:
    """Let all threads allocate from one heap, if they do not already; before the first thread starts.

    glibc gives a thread a heap of its own, with holes of its own. Python's threads take turns anyway.
    """
    if _option is not None:
        _option(_ARENA_MAX, 1)


def give_back() -> None:
    """Give back what the allocator keeps although it is freed.

    Chunks that rules look at or hold are large and of every size, so what they leave behind is full
    of small holes: 72 MB where 53 were used, measured. Takes about 70 us for a mebibyte given back,
    and 10 us if there is none.
    """
    if _trim is not None:
        _trim(0)
