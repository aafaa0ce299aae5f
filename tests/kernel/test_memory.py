"""Freed memory goes back to the kernel."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from pathlib import Path
from bustedwall.kernel.memory import give_back

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

give_back()
base = resident()
# Freed once, so the allocator has learnt to take such chunks from its heap: what a proxy has behind it.
for _ in range(2):
    chunks = [b"x" * (200_000 + 400 * n) for n in range(150)]
    small = [bytearray(1000) for _ in range(100)]  # above the chunks, so that the heap cannot shrink
    held = resident()
    del chunks
give_back()
print(held - base, resident() - base)
"""


def test_what_was_freed_between_small_things_in_use_is_given_back() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=50)
    held, left = map(int, told.stdout.split())
    assert held > 30_000_000
    assert left < held / 10
