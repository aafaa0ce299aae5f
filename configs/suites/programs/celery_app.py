"""A celery application, and who sends to it: `celery_app.py publish` or `celery_app.py work`."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from breaking import Breaking
from celery import Celery

BROKER = f"redis://{os.environ['BUSTEDWALL_BROKER_ADDRESS']}/{os.environ['DB']}"
app = Celery("suite", broker=BROKER, backend=os.environ["BACKEND"])
app.conf.broker_connection_retry_on_startup = True
if os.environ["SETTINGS"] == "mended":
    # A broker that is silent is given up after a second, and the program is told.
    app.conf.broker_transport_options = {"socket_timeout": 1, "socket_connect_timeout": 1}
    app.conf.task_publish_retry = False


@app.task
def double(n: int) -> int:
    return 2 * n


def publish() -> None:
    """Send a task while the broker is silent."""
    breaking = Breaking()
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=3)
    breaking.warm()
    try:
        double.delay(1)
    except Exception as error:  # each version has its own
        sys.exit(f"told: {type(error).__name__}: {error}")
    print("sent")


def work() -> None:
    """A worker behind the proxy loses all its connections; then a task is sent to it, past the proxy."""
    breaking = Breaking()
    command = [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "--pool", "solo", "--loglevel", "INFO"]
    worker = subprocess.Popen(
        command, cwd=Path(__file__).parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert worker.stdout is not None
    for line in worker.stdout:
        if " ready." in line:
            break
    threading.Thread(target=lambda: [print("worker:", line, end="") for line in worker.stdout], daemon=True).start()
    sender = Celery("suite", broker=os.environ["DIRECT"], backend=os.environ["BACKEND"])
    assert sender.send_task("celery_app.double", (1,)).get(timeout=25) == 2
    breaking.warm()
    answer = sender.send_task("celery_app.double", (21,)).get(timeout=float(os.environ["PATIENCE"]))
    print("answer:", answer, flush=True)
    worker.terminate()


if __name__ == "__main__":
    {"publish": publish, "work": work}[sys.argv[1]]()
