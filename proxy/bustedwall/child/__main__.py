"""`python -m bustedwall.child FOLDER run …`: it ends when its stdin does, however its parent ended.

The folder is removed then: a parent that was killed cannot.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import threading

from bustedwall.cli.main import main


def _watch() -> None:
    while os.read(0, 1):  # not sys.stdin: its lock, held at the end of the process, would be fatal
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    gc.disable()  # until it serves: of what is loaded nothing is to be collected, and looking takes a tenth of a start
    folder = sys.argv.pop(1)
    threading.Thread(target=_watch, daemon=True).start()
    try:
        main()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
