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


THREADS = """
import threading
from pathlib import Path
from bustedwall.kernel.memory import keep_one_heap

keep_one_heap()
inside, leave = threading.Barrier(5), threading.Event()

def allocate():
    kept = [bytes(1000) for _ in range(1000)]
    inside.wait()
    leave.wait()

for _ in range(4):
    threading.Thread(target=allocate).start()
inside.wait()
# A heap of a thread's own is 64 MiB of addresses, of which little may be used yet: two neighbours in the map.
lines = [line.split()[:2] for line in Path("/proc/self/maps").read_text().splitlines()]
bounds = [(*[int(end, 16) for end in where.split("-")], how) for where, how in lines]
heaps = [a for a, b in zip(bounds, bounds[1:]) if a[1] == b[0] and b[1] - a[0] == 64 << 20 and b[2] == "---p"]
print(len(heaps))
leave.set()
"""


def test_threads_have_no_heaps_of_their_own() -> None:
    def heaps(program: str) -> int:
        told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=50)
        return int(told.stdout)

    assert heaps(THREADS.replace("keep_one_heap()\n", "")) >= 1, "or this shows nothing"
    assert heaps(THREADS) == 0
