"""Server programs that close or are killed, and hosts that die, against the policies that stand for them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.groundtruth.network import PORT, SERVER, Network
from tests.groundtruth.scenes import Real, compare
from tests.relay.peers import HANG, until
from tests.sockets.calls import info

pytestmark = pytest.mark.root

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("server.py")


def test_a_server_that_closes_before_data_comes(network: Network) -> None:
    compare("closed-before-data", Real(network), server=[{"close": "ok"}])


def test_a_server_that_closes_with_the_request_unread(network: Network) -> None:
    compare("unread-close-rst", Real(network), server=[{"poll": "IN OUT"}, {"close": "ok"}])


def test_a_server_whose_process_is_killed(network: Network) -> None:
    """It has read what had come, and has answered; then, as nobody listens, who comes is refused."""
    real = Real(network)
    command = [sys.executable, str(PROGRAM), str(real.listener.fileno())]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    process = subprocess.Popen(command, pass_fds=[real.listener.fileno()], env=environment)
    real.listener.close()

    def kill() -> None:
        process.send_signal(signal.SIGKILL)
        process.wait(HANG)

    real.happens = kill
    try:
        compare("process-killed", real, server=[])
    finally:
        process.kill()
        process.wait(HANG)
    with network.client.socket() as sock, pytest.raises(ConnectionRefusedError):
        sock.connect((SERVER, PORT))


def test_a_host_that_crashes_and_boots(network: Network) -> None:
    network.prepare_boot()
    real = Real(network)
    booting: list[threading.Thread] = []

    def boot(sock: socket.socket) -> None:
        until(lambda: info(sock).retransmits, "the client repeats what it has sent")
        network.boot_server()

    def crash() -> None:
        assert real.client is not None
        assert real.client.sock is not None
        network.server.ip("link set eth0 down")
        booting.append(threading.Thread(target=boot, args=(real.client.sock,), daemon=True))
        booting[0].start()

    real.happens = crash
    try:
        # The program has died with its host: the policy shows what becomes of a program behind it.
        compare("host-reboot", real, server=[{"recv": "data"}, {"send": "ok"}])
    finally:
        for each in booting:
            each.join(HANG)
