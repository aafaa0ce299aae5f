"""What requests, aiohttp and Node's http say.

Measured with requests 2.34 on urllib3 2.8, aiohttp 3.14 and Node 20.
"""

from __future__ import annotations

from tests.real.case import (
    AIOHTTP,
    DOWNLOADS,
    DOWNLOADS_200,
    DOWNLOADS_LATER,
    DOWNLOADS_SLOWLY,
    DOWNLOADS_TWICE,
    LIMIT,
    NODE,
    REQUESTS,
    RETURNS,
    SHORT_OF_HEADER_RETURNS,
    Case,
    Ending,
)
from tests.real.said_by_curl import BLIP, CLOSED_IDLE, DROPPED, FLAPPING, FORGOTTEN, LOST, RESET_IDLE, TOO_OLD, WAITED

# ---- requests

POOL = "HTTPConnectionPool(host='127.0.0.1', port=…): "
NEW = "HTTPConnection(host='127.0.0.1', port=…)"
RETRIES = f"{POOL}Max retries exceeded with url: /5MB (Caused by "
FAILED = f'{RETRIES}NewConnectionError("{NEW}: Failed to establish a new connection: '
REFUSED = (("requests.ConnectionError", f'{FAILED}[Errno 111] Connection refused"))'),)
NO_CONNECTION: Ending = ("requests.ConnectionError", f'{FAILED}[Errno 104] Connection reset by peer"))')
CONNECT_TIMEOUT = (
    (
        "requests.ConnectTimeout",
        f"{RETRIES}ConnectTimeoutError(<{NEW} at …>, 'Connection to 127.0.0.1 timed out. (connect timeout=2.0)'))",
    ),
)
RESET = "ConnectionResetError(104, 'Connection reset by peer')"
ABORTED = (("requests.ConnectionError", f"('Connection aborted.', {RESET})"),)
DISCONNECTED = (
    (
        "requests.ConnectionError",
        "('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))",
    ),
)
BROKEN = (("requests.ChunkedEncodingError", f'("Connection broken: {RESET}", {RESET})'),)
INCOMPLETE = "IncompleteRead(… bytes read, … more expected)"
SHORT = (("requests.ChunkedEncodingError", f"('Connection broken: {INCOMPLETE}', {INCOMPLETE})"),)
READ_TIMEOUT = (("requests.ReadTimeout", f"{POOL}Read timed out. (read timeout=2.0)"),)
BODY_TIMEOUT = (("requests.ConnectionError", f"{POOL}Read timed out."),)

WITH_REQUESTS = [
    Case(REQUESTS, DOWNLOADS, "closed-before-data", DISCONNECTED),
    Case(REQUESTS, DOWNLOADS, "unread-close-rst", ABORTED),
    Case(REQUESTS, DOWNLOADS, "half-close", DISCONNECTED),
    Case(REQUESTS, DOWNLOADS, "stalled-reader", READ_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(REQUESTS, DOWNLOADS, "stalled-peer", READ_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(REQUESTS, DOWNLOADS, "fin-mid-message", SHORT),
    Case(REQUESTS, DOWNLOADS, "fin-mid-message:after=100B", SHORT_OF_HEADER_RETURNS),
    Case(REQUESTS, DOWNLOADS, LOST, ABORTED, after=1.0),
    Case(REQUESTS, DOWNLOADS, BLIP, RETURNS, after=0.3),
    Case(REQUESTS, DOWNLOADS_SLOWLY, FLAPPING, RETURNS, after=1.3),
    Case(REQUESTS, DOWNLOADS, "vanished-host", READ_TIMEOUT + ABORTED, limit=LIMIT),
    Case(REQUESTS, DOWNLOADS, "connect-blackhole", CONNECT_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(REQUESTS, DOWNLOADS, "connect-refused", REFUSED),
    Case(REQUESTS, DOWNLOADS, "accept-then-reset", (NO_CONNECTION, *ABORTED)),
    Case(REQUESTS, DOWNLOADS_200, "byte-by-byte", RETURNS, after=0.4),
    Case(REQUESTS, DOWNLOADS, "reset-mid-response", BROKEN),
    Case(REQUESTS, DOWNLOADS, "slow-link", RETURNS, after=0.2),
    Case(REQUESTS, DOWNLOADS, "cable-pull:after=50kB", BODY_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(REQUESTS, DOWNLOADS, "cable-pull", READ_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(REQUESTS, DOWNLOADS, "gave-up-rst:give_up=1s", BROKEN, after=1.0),
    Case(REQUESTS, DOWNLOADS_TWICE, "gave-up-rst:give_up=2s", ABORTED, after=2.0),
    Case(REQUESTS, DOWNLOADS_LATER, FORGOTTEN, ABORTED),
    Case(REQUESTS, DOWNLOADS_LATER, DROPPED, READ_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(REQUESTS, DOWNLOADS_LATER, RESET_IDLE, RETURNS),
    Case(REQUESTS, DOWNLOADS_LATER, CLOSED_IDLE, RETURNS),
    Case(REQUESTS, DOWNLOADS_TWICE, "http-keepalive-race", ABORTED),
    Case(REQUESTS, DOWNLOADS, "linger0-rst", ABORTED),
    Case(REQUESTS, DOWNLOADS, "content-reset:text=GET", ABORTED),
    Case(REQUESTS, DOWNLOADS, "firewall-rst", BROKEN),
    Case(REQUESTS, DOWNLOADS, "listen-overflow", READ_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(REQUESTS, DOWNLOADS_LATER, TOO_OLD, RETURNS),
]

# ---- aiohttp

SERVER_GONE = (("aiohttp.ServerDisconnectedError", "Server disconnected"),)
SERVER_RESET = (("aiohttp.ClientOSError", "[Errno 104] Connection reset by peer"),)
NOT_CONNECTED = (
    (
        "aiohttp.ClientConnectorError",
        "Cannot connect to host 127.0.0.1:… ssl:default [Connect call failed ('127.0.0.1', …)]",
    ),
)
READ_TIMED_OUT = (("aiohttp.SocketTimeoutError", "Timeout on reading data from socket"),)
NOT_COMPLETED = (
    "Response payload is not completed: <ContentLengthError: 400, message='Not enough data to satisfy "
    "content length header (received … of 5000000 bytes).'>"
)
FINISHED = (("aiohttp.ClientPayloadError", f"{NOT_COMPLETED}"),)
PAYLOAD_RESET = (("aiohttp.ClientPayloadError", f"{NOT_COMPLETED}. {RESET}"),)
HALF_A_HEADER = (("aiohttp.ServerDisconnectedError", "<RawResponseMessage(…)>"),)
CONNECTION_TIMEOUT = (("aiohttp.ConnectionTimeoutError", "Connection timeout to host http://127.0.0.1:…/5MB"),)

WITH_AIOHTTP = [
    Case(AIOHTTP, DOWNLOADS, "closed-before-data", SERVER_GONE),
    Case(AIOHTTP, DOWNLOADS, "unread-close-rst", SERVER_RESET),
    Case(AIOHTTP, DOWNLOADS, "half-close", SERVER_GONE),
    Case(AIOHTTP, DOWNLOADS, "stalled-reader", READ_TIMED_OUT, after=WAITED, limit=LIMIT),
    Case(AIOHTTP, DOWNLOADS, "stalled-peer", READ_TIMED_OUT, after=WAITED, limit=LIMIT),
    Case(AIOHTTP, DOWNLOADS, "fin-mid-message", FINISHED),
    Case(AIOHTTP, DOWNLOADS, "fin-mid-message:after=100B", HALF_A_HEADER),
    Case(AIOHTTP, DOWNLOADS, LOST, SERVER_RESET, after=2.0),
    Case(AIOHTTP, DOWNLOADS, BLIP, RETURNS, after=0.3),
    Case(AIOHTTP, DOWNLOADS_SLOWLY, FLAPPING, RETURNS, after=1.3),
    Case(AIOHTTP, DOWNLOADS, "vanished-host", READ_TIMED_OUT + SERVER_RESET, limit=LIMIT),
    Case(AIOHTTP, DOWNLOADS, "connect-blackhole", CONNECTION_TIMEOUT, after=WAITED, limit=LIMIT),
    Case(AIOHTTP, DOWNLOADS, "connect-refused", NOT_CONNECTED),
    Case(AIOHTTP, DOWNLOADS, "accept-then-reset", NOT_CONNECTED + SERVER_RESET),
    Case(AIOHTTP, DOWNLOADS_200, "byte-by-byte", RETURNS, after=0.4),
    Case(AIOHTTP, DOWNLOADS, "reset-mid-response", PAYLOAD_RESET),
    Case(AIOHTTP, DOWNLOADS, "slow-link", RETURNS, after=0.2),
    Case(AIOHTTP, DOWNLOADS, "cable-pull:after=50kB", READ_TIMED_OUT, after=WAITED, limit=LIMIT),
    Case(AIOHTTP, DOWNLOADS, "cable-pull", READ_TIMED_OUT, after=WAITED, limit=LIMIT),
    Case(AIOHTTP, DOWNLOADS, "gave-up-rst:give_up=1s", PAYLOAD_RESET, after=1.0),
    Case(AIOHTTP, DOWNLOADS_TWICE, "gave-up-rst:give_up=1s", RETURNS, after=1.0),
    Case(AIOHTTP, DOWNLOADS_LATER, FORGOTTEN, RETURNS),
    Case(AIOHTTP, DOWNLOADS_LATER, DROPPED, READ_TIMED_OUT, after=WAITED, limit=LIMIT),
    Case(AIOHTTP, DOWNLOADS_LATER, RESET_IDLE, RETURNS),
    Case(AIOHTTP, DOWNLOADS_LATER, CLOSED_IDLE, RETURNS),
    Case(AIOHTTP, DOWNLOADS_TWICE, "http-keepalive-race", RETURNS),
    Case(AIOHTTP, DOWNLOADS, "linger0-rst", SERVER_RESET),
    Case(AIOHTTP, DOWNLOADS, "content-reset:text=GET", SERVER_RESET),
    Case(AIOHTTP, DOWNLOADS, "firewall-rst", PAYLOAD_RESET),
    Case(AIOHTTP, DOWNLOADS, "listen-overflow", READ_TIMED_OUT, after=WAITED, limit=LIMIT),
    Case(AIOHTTP, DOWNLOADS_LATER, TOO_OLD, RETURNS),
]

# ---- Node's http

HANG_UP = (("ECONNRESET", "socket hang up"),)
CUT_SHORT = (("ECONNRESET", "aborted"),)
READ_RESET = (("ECONNRESET", "read ECONNRESET"),)
WRITE_RESET: Ending = ("ECONNRESET", "write ECONNRESET")
CONNECT_RESET: Ending = ("ECONNRESET", "connect ECONNRESET 127.0.0.1:…")
CONNECT_REFUSED = (("ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:…"),)

WITH_NODE = [
    Case(NODE, DOWNLOADS, "closed-before-data", HANG_UP),
    Case(NODE, DOWNLOADS, "unread-close-rst", READ_RESET),
    Case(NODE, DOWNLOADS, "half-close", HANG_UP),
    Case(NODE, DOWNLOADS, "stalled-reader", HANG_UP, after=WAITED, limit=LIMIT),
    Case(NODE, DOWNLOADS, "stalled-peer", HANG_UP, after=WAITED, limit=LIMIT),
    Case(NODE, DOWNLOADS, "fin-mid-message", CUT_SHORT),
    Case(NODE, DOWNLOADS, "fin-mid-message:after=100B", HANG_UP),
    Case(NODE, DOWNLOADS, LOST, READ_RESET, after=1.0),
    Case(NODE, DOWNLOADS, BLIP, RETURNS, after=0.3),
    Case(NODE, DOWNLOADS_SLOWLY, FLAPPING, RETURNS, after=1.3),
    Case(NODE, DOWNLOADS, "vanished-host", HANG_UP + READ_RESET, limit=LIMIT),
    Case(NODE, DOWNLOADS, "connect-blackhole", HANG_UP, after=WAITED, limit=LIMIT),
    Case(NODE, DOWNLOADS, "connect-refused", CONNECT_REFUSED),
    Case(NODE, DOWNLOADS, "accept-then-reset", (CONNECT_RESET, WRITE_RESET, *READ_RESET)),
    Case(NODE, DOWNLOADS_200, "byte-by-byte", RETURNS, after=0.4),
    Case(NODE, DOWNLOADS, "reset-mid-response", CUT_SHORT + READ_RESET),
    Case(NODE, DOWNLOADS, "slow-link", RETURNS, after=0.2),
    Case(NODE, DOWNLOADS, "cable-pull:after=50kB", CUT_SHORT, after=WAITED, limit=LIMIT),
    Case(NODE, DOWNLOADS, "cable-pull", HANG_UP, after=WAITED, limit=LIMIT),
    Case(NODE, DOWNLOADS, "gave-up-rst:give_up=1s", CUT_SHORT + READ_RESET, after=1.0),
    Case(NODE, DOWNLOADS_TWICE, "gave-up-rst:give_up=2s", READ_RESET, after=2.0),
    Case(NODE, DOWNLOADS_LATER, FORGOTTEN, READ_RESET),
    Case(NODE, DOWNLOADS_LATER, DROPPED, HANG_UP, after=WAITED, limit=LIMIT),
    Case(NODE, DOWNLOADS_LATER, RESET_IDLE, RETURNS),
    Case(NODE, DOWNLOADS_LATER, CLOSED_IDLE, RETURNS),
    Case(NODE, DOWNLOADS_TWICE, "http-keepalive-race", READ_RESET),
    Case(NODE, DOWNLOADS, "linger0-rst", READ_RESET),
    Case(NODE, DOWNLOADS, "content-reset:text=GET", READ_RESET),
    Case(NODE, DOWNLOADS, "firewall-rst", CUT_SHORT + READ_RESET),
    Case(NODE, DOWNLOADS, "listen-overflow", HANG_UP, after=WAITED, limit=LIMIT),
    Case(NODE, DOWNLOADS_LATER, TOO_OLD, RETURNS),
]
