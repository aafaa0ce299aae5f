"""A server that answers when the policy has struck: who asks it leaves another connection idle meanwhile."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.real.servers import HOST
from tests.real.wall import Wall


@contextmanager
def gate(wall: Wall) -> Iterator[str]:
    """Return the URL of nothing, which comes when each rule has done to a connection what it is there for."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wall.until_struck()
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((HOST, 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
