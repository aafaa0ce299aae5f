"""A server's program, to be killed: on the listening socket that it is given it answers one request, and waits."""

from __future__ import annotations

import signal
import socket
import sys

from tests.groundtruth.scenes import ANSWER, REQUEST

if __name__ == "__main__":
    listener = socket.socket(fileno=int(sys.argv[1]))
    connection, _ = listener.accept()
    got = b""
    while len(got) < len(REQUEST):
        got += connection.recv(65536)
    connection.sendall(ANSWER)
    signal.pause()
