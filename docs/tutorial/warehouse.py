"""A warehouse: GET /ITEM tells how many there are, POST /ITEM takes one away and tells how many are left."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Warehouse(BaseHTTPRequestHandler):
    """Answers one connection, which may ask again and again."""

    protocol_version = "HTTP/1.1"
    server: Shelves

    def do_GET(self) -> None:
        self.answer(self.server.shelves.get(self.path, 0))

    def do_POST(self) -> None:
        self.server.shelves[self.path] -= 1
        self.answer(self.server.shelves[self.path])

    def answer(self, number: int) -> None:
        body = str(number).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing of each request."""


class Shelves(ThreadingHTTPServer):
    """Listens on a port of this machine; 0 takes a free one."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Warehouse)
        self.shelves = {"/bolts": 42, "/nuts": 17}


if __name__ == "__main__":
    with Shelves(int(sys.argv[1])) as server:
        print(f"warehouse at 127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
