"""What programs said when they met a policy, beyond what tests/real asserts again and again.

Measured once, before real servers, with Python 3.11, httpx 0.28, grpcio 1.85, asyncpg 0.32, psql 15,
redis-cli 7.0, pgjdbc 42.5 on Java 17 and HAProxy 2.6; line breaks as they were.
"""

from __future__ import annotations

GONE = (
    "server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally\n"
    "\tbefore or while processing the request."
)
NOBODY = "\n\tIs the server running on that host and accepting TCP/IP connections?"
TO_DATABASE = 'psql: error: connection to server at "127.0.0.1", port 42473 failed: '
HTTPX_RESET = "httpx.ReadError: [Errno 104] Connection reset by peer"
RESET = "builtins.ConnectionResetError: [Errno 104] Connection reset by peer"
GRPC = "StatusCode.UNAVAILABLE failed to connect to all addresses; last error: UNAVAILABLE: ipv4:127.0.0.1:40815: "
CLOSED = "asyncpg.exceptions.ConnectionDoesNotExistError: connection was closed in the middle of operation"
JDBC = "org.postgresql.util.PSQLException: "
ATTEMPT = f"{JDBC}The connection attempt failed. <- "
SENDING = f"{JDBC}An I/O error occurred while sending to the backend. <- "
HTTP_LOG = "127.0.0.1:51476 [26/Nov/2026:12:26:09.311] a a/s 0/0/0/-1/2 {} 1/1/0/0/0 0/0 {}"
TCP_LOG = "127.0.0.1:51476 [26/Nov/2026:12:26:09.311] a a/s 1/0/1 {} 1/1/0/0/0 0/0"
GET = '"GET /5MB HTTP/1.1"'

MET: list[tuple[str, str]] = [
    ("closed-before-data", "httpx.RemoteProtocolError: Server disconnected without sending a response."),
    ("unread-close-rst", HTTPX_RESET),
    (
        "fin-mid-message",
        (
            "httpx.RemoteProtocolError: peer closed connection without sending complete message body "
            "(received 754 bytes, expected 5000000)"
        ),
    ),
    ("reset-mid-response", HTTPX_RESET),
    ("stalled-peer", "httpx.ReadTimeout: timed out"),
    ("connect-refused", "httpx.ConnectError: [Errno 111] Connection refused"),
    ("connect-blackhole", "httpx.ConnectTimeout: timed out"),
    ("accept-then-reset", HTTPX_RESET),
    ("linger0-rst", HTTPX_RESET),
    ("closed-before-data", "http.client.RemoteDisconnected: Remote end closed connection without response"),
    ("unread-close-rst", RESET),
    ("fin-mid-message", "http.client.IncompleteRead: IncompleteRead(759 bytes read, 4999241 more expected)"),
    ("reset-mid-response", RESET),
    ("stalled-peer", "builtins.TimeoutError: timed out"),
    ("connect-refused", "urllib.error.URLError: <urlopen error [Errno 111] Connection refused>"),
    ("connect-blackhole", "urllib.error.URLError: <urlopen error timed out>"),
    ("linger0-rst", RESET),
    ("closed-before-data", f"{GRPC}Socket closed"),
    ("unread-close-rst", f"{GRPC}recvmsg:Connection reset by peer (104)"),
    ("stalled-peer", "StatusCode.DEADLINE_EXCEEDED Deadline Exceeded"),
    ("connect-refused", f"{GRPC}Failed to connect to remote host: Connection refused"),
    (
        "accept-then-reset",
        f"{GRPC}Delayed close due to in-progress write (Socket closed) (sendmsg: Connection reset by peer (104))",
    ),
    ("closed-before-data", f"{TO_DATABASE}{GONE}"),
    ("unread-close-rst", f"{TO_DATABASE}{GONE}"),
    ("fin-mid-message", f"{GONE}\nconnection to server was lost"),
    ("reset-mid-response", f"{GONE}\nconnection to server was lost"),
    ("stalled-peer", f"{TO_DATABASE}timeout expired"),
    (
        "connect-refused",
        f"{TO_DATABASE}Connection refused{NOBODY}",
    ),
    ("connect-blackhole", f"{TO_DATABASE}timeout expired"),
    (
        "accept-then-reset",
        f"{TO_DATABASE}Connection reset by peer{NOBODY}",
    ),
    ("closed-before-data", CLOSED),
    ("unread-close-rst", CLOSED),
    ("reset-mid-response", CLOSED),
    ("connect-refused", "builtins.ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 41053)"),
    ("accept-then-reset", "builtins.ConnectionResetError: [Errno 104] Connect call failed ('127.0.0.1', 37503)"),
    ("closed-before-data", f"{ATTEMPT}java.io.EOFException"),
    ("unread-close-rst", f"{ATTEMPT}java.net.SocketException: Connection reset"),
    ("fin-mid-message", f"{SENDING}java.io.EOFException"),
    ("reset-mid-response", f"{SENDING}java.net.SocketException: Connection reset"),
    ("stalled-peer", f"{ATTEMPT}java.net.SocketTimeoutException: Read timed out"),
    (
        "connect-refused",
        (
            f"{JDBC}Connection to 127.0.0.1:33923 refused. Check that the hostname and port are correct and that the "
            "postmaster is accepting TCP/IP connections. <- java.net.ConnectException: Connection refused"
        ),
    ),
    ("connect-blackhole", f"{ATTEMPT}java.net.SocketTimeoutException: Connect timed out"),
    ("accept-then-reset", f"{ATTEMPT}java.net.SocketException: Connection reset by peer"),
    ("closed-before-data", "Error: Server closed the connection"),
    ("fin-mid-message", "Error: Server closed the connection"),
    ("unread-close-rst", "Error: Connection reset by peer"),
    ("reset-mid-response", "Error: Connection reset by peer"),
    ("connect-refused", "Could not connect to Redis at 127.0.0.1:35651: Connection refused"),
    ("closed-before-data", HTTP_LOG.format("502 209 - - SH--", GET)),
    ("unread-close-rst", HTTP_LOG.format("502 209 - - SH--", GET)),
    ("fin-mid-message", HTTP_LOG.format("200 963 - - SD--", GET)),
    ("reset-mid-response", HTTP_LOG.format("200 963 - - SD--", GET)),
    ("stalled-peer", HTTP_LOG.format("504 198 - - sH--", GET)),
    ("cable-pull", HTTP_LOG.format("200 49963 - - sD--", GET)),
    ("connect-refused", HTTP_LOG.format("503 217 - - SC--", GET)),
    ("connect-blackhole", HTTP_LOG.format("503 217 - - sC--", GET)),
    ("accept-then-reset", HTTP_LOG.format("502 209 - - SH--", GET)),
    ("unread-close-rst", TCP_LOG.format("0 SD")),
    ("stalled-peer", TCP_LOG.format("0 sD")),
    ("connect-refused", TCP_LOG.format("0 SC")),
    ("connect-blackhole", TCP_LOG.format("0 sC")),
]
"""The policy, and the words of a client that met it."""

SSL_EOF = "ssl.SSLEOFError: [SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:997)"

SAID: list[tuple[str, str]] = [
    ("reset", "ConnectionResetError(104, 'Connection reset by peer')"),
    ("reset", "read tcp 10.0.0.1:5432->10.0.0.2:80: read: connection reset by peer"),
    ("reset", "java.net.SocketException: Connection reset"),
    ("reset", "IOException: HTTP/1.1 header parser received no bytes"),
    ("reset-on-connect", "dial tcp 10.0.0.2:80: connect: connection reset by peer"),
    ("reset-on-connect", "Error: connect ECONNRESET 10.0.0.2:80"),
    ("broken-pipe", "BrokenPipeError: [Errno 32] Broken pipe"),
    ("broken-pipe", "write tcp 10.0.0.1:5432->10.0.0.2:80: write: broken pipe"),
    ("broken-pipe", "java.net.SocketException: Broken pipe"),
    ("end-before-answer", 'Get "http://10.0.0.2/": EOF'),
    ("end-before-answer", "SocketError: other side closed"),
    ("end-before-answer", "java.net.SocketException: Unexpected end of file from server"),
    ("end-in-answer", "IncompleteRead(7 bytes read, 93 more expected)"),
    ("end-in-answer", "unexpected EOF"),
    ("end-in-answer", "java.io.IOException: fixed content-length: 100, bytes received: 7"),
    ("end-in-answer", "java.io.IOException: Premature EOF"),
    ("hung-up", "Error: socket hang up"),
    ("aborted", "Error: aborted"),
    ("no-answer", 'Get "http://10.0.0.2/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'),
    ("no-answer", "java.net.SocketTimeoutException: Read timed out"),
    ("no-answer", "upstream timed out (110: Connection timed out) while reading response header from upstream"),
    ("closed-here", "java.net.SocketException: Socket closed"),
    ("closed-here", "java.net.SocketException: Socket is closed"),
    ("server-full", "ERR max number of clients reached"),
    ("tls-closed", "ssl.SSLZeroReturnError: TLS/SSL connection has been closed (EOF) (_ssl.c:1006)"),
    ("refused", "dial tcp 10.0.0.2:80: connect: connection refused"),
    ("refused", "Error: connect ECONNREFUSED 10.0.0.2:80"),
    ("refused", "java.net.ConnectException: Connection refused"),
    ("unreachable", "connect() failed (113: No route to host) while connecting to upstream"),
    (
        "tls-handshake-ended",
        "ssl.SSLEOFError: [SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol",
    ),
    (
        "tls-handshake-ended",
        "Error: Client network socket disconnected before secure TLS connection was established",
    ),
    ("tls-handshake-ended", "javax.net.ssl.SSLHandshakeException: Remote host terminated the handshake"),
]
"""The symptom that words tell of: Python, Go, Node, Java and nginx, in a network of namespaces where a
server, a firewall or the test's own packets broke the connection; Java 17 that closed its own socket in another
thread, Redis 7.0 with `maxclients 1`, and Python 3.8 to 3.13 whose handshake met a close_notify."""
