"""What curl says, alone and behind an nginx, and what that nginx writes into its log.

Measured with curl 7.88 and nginx 1.22; texts of later versions of curl are from their source.
"""

from __future__ import annotations

from tests.real.case import (
    CURL,
    DONE,
    DOWNLOADS,
    DOWNLOADS_200,
    DOWNLOADS_LATER,
    DOWNLOADS_LITTLE,
    DOWNLOADS_SLOWLY,
    DOWNLOADS_TWICE,
    DOWNLOADS_UNBUFFERED,
    LIMIT,
    NGINX,
    SHORT_OF_HEADER_DONE,
    Case,
    Ending,
)

WAITED = 1.9
"""Seconds that LIMIT lasts at least; some timers run a few milliseconds early."""

NOT_CONNECTED: Ending = (
    "exit 7",
    "curl: (7) Failed to connect to 127.0.0.1 port … after … ms: Couldn't connect to server",
)
NOT_SENT: Ending = ("exit 55", "curl: (55) Send failure: Connection reset by peer")
NOT_RECEIVED: Ending = ("exit 56", "curl: (56) Recv failure: Connection reset by peer")
NAMELESS: tuple[Ending, ...] = tuple(
    # curl asks for the peer's name when connect has succeeded; its first complaint is the one that it shows.
    (ends, "curl: (…) getpeername() failed with errno 107: Transport endpoint is not connected")
    for ends in ("exit 55", "exit 56")
)
RESET = (NOT_RECEIVED,)
EMPTY = (("exit 52", "curl: (52) Empty reply from server"),)
SHORT = (
    ("exit 18", "curl: (18) transfer closed with … bytes remaining to read"),
    ("exit 18", "curl: (18) end of response with … bytes missing"),
)
NOTHING_CAME = (("exit 28", "curl: (28) Operation timed out after … milliseconds with 0 bytes received"),)
NO_MORE_CAME = (
    ("exit 28", "curl: (28) Operation timed out after … milliseconds with … out of 5000000 bytes received"),
)
NOBODY_THERE = (("exit 28", "curl: (28) Connection timed out after … milliseconds"),)

BAD_GATEWAY = (("exit 22", "curl: (22) The requested URL returned error: 502"),)
GATEWAY_TIMEOUT = (("exit 22", "curl: (22) The requested URL returned error: 504"),)

READV_RESET = ("readv() failed (104: Connection reset by peer) while reading upstream",)
HEADER_RESET = ("recv() failed (104: Connection reset by peer) while reading response header from upstream",)
ACCEPT_RESET = (
    "connect() failed (104: Connection reset by peer) while connecting to upstream",
    "writev() failed (104: Connection reset by peer) while sending request to upstream",
    *HEADER_RESET,
)
FIN_IN_HEADER = ("upstream prematurely closed connection while reading response header from upstream",)
FIN_IN_BODY = ("upstream prematurely closed connection while reading upstream",)
TIMED_OUT = ("upstream timed out (110: Connection timed out) while reading upstream",)
HEADER_TIMED_OUT = ("upstream timed out (110: Connection timed out) while reading response header from upstream",)
CONNECT_TIMED_OUT = ("upstream timed out (110: Connection timed out) while connecting to upstream",)
REFUSED = ("connect() failed (111: Connection refused) while connecting to upstream",)

BLIP, FLAPPING, LOST = (
    "blip:after=50kB,lasts=300ms",
    "flapping-link:every=1s,down=300ms",
    "lost-commit-ack:text=GET,give_up=1s",
)

FORGOTTEN, DROPPED, RESET_IDLE, CLOSED_IDLE = (
    f"{name}:idle=2s" for name in ("aws-nlb-idle", "fw-idle-drop", "idle-rst-both", "proxy-idle-fin")
)
"""The family `idle`; the others in it end a connection as one of these does."""
TOO_OLD = "max-lifetime:age=4s"

ALONE = [
    Case(CURL, DOWNLOADS, "closed-before-data", EMPTY),
    Case(CURL, DOWNLOADS, "unread-close-rst", RESET),
    Case(CURL, DOWNLOADS, "half-close", EMPTY),
    Case(CURL, DOWNLOADS, "stalled-reader", NOTHING_CAME, after=WAITED, limit=LIMIT),
    Case(CURL, DOWNLOADS, "stalled-peer", NOTHING_CAME, after=WAITED, limit=LIMIT),
    Case(CURL, DOWNLOADS, "fin-mid-message", SHORT),
    Case(CURL, DOWNLOADS, "fin-mid-message:after=100B", SHORT_OF_HEADER_DONE),
    Case(CURL, DOWNLOADS, LOST, RESET, after=1.0),
    Case(CURL, DOWNLOADS, BLIP, DONE, after=0.3),
    Case(CURL, DOWNLOADS_SLOWLY, FLAPPING, DONE, after=1.3),
    Case(CURL, DOWNLOADS, "vanished-host", NOTHING_CAME + RESET, limit=LIMIT),
    Case(CURL, DOWNLOADS, "connect-blackhole", NOBODY_THERE, after=WAITED, limit=LIMIT),
    Case(CURL, DOWNLOADS, "connect-refused", (NOT_CONNECTED,)),
    Case(CURL, DOWNLOADS, "accept-then-reset", (NOT_CONNECTED, NOT_SENT, NOT_RECEIVED, *NAMELESS)),
    Case(CURL, DOWNLOADS_200, "byte-by-byte", DONE, after=0.4),
    Case(CURL, DOWNLOADS, "reset-mid-response", RESET),
    Case(CURL, DOWNLOADS, "slow-link", DONE, after=0.2),
    Case(CURL, DOWNLOADS_TWICE, "slow-link", DONE, after=0.4),
    Case(CURL, DOWNLOADS, "cable-pull:after=50kB", NO_MORE_CAME, after=WAITED, limit=LIMIT),
    Case(CURL, DOWNLOADS, "cable-pull", NOTHING_CAME, after=WAITED, limit=LIMIT),
    Case(CURL, DOWNLOADS, "gave-up-rst:give_up=1s", RESET, after=1.0),
    Case(CURL, DOWNLOADS_LITTLE, "gave-up-rst:give_up=1s", DONE),
    Case(CURL, DOWNLOADS_LITTLE, "gave-up-rst:give_up=1s,lost=all to client", RESET, after=1.0),
    Case(CURL, DOWNLOADS_TWICE, "gave-up-rst:give_up=1s", DONE, after=1.0),
    Case(CURL, DOWNLOADS_LATER, FORGOTTEN, DONE),
    Case(CURL, DOWNLOADS_LATER, DROPPED, NOTHING_CAME, after=WAITED, limit=LIMIT),
    Case(CURL, DOWNLOADS_LATER, RESET_IDLE, DONE),
    Case(CURL, DOWNLOADS_LATER, CLOSED_IDLE, DONE),
    Case(CURL, DOWNLOADS_TWICE, "http-keepalive-race", DONE),
    Case(CURL, DOWNLOADS, "linger0-rst", RESET),
    Case(CURL, DOWNLOADS, "content-reset:text=GET", RESET),
    Case(CURL, DOWNLOADS, "firewall-rst", RESET),
    Case(CURL, DOWNLOADS, "listen-overflow", NOTHING_CAME, after=WAITED, limit=LIMIT),
    Case(CURL, DOWNLOADS_LATER, TOO_OLD, DONE),
]

BEHIND_NGINX = [
    Case(NGINX, DOWNLOADS, "closed-before-data", BAD_GATEWAY, FIN_IN_HEADER),
    Case(NGINX, DOWNLOADS, "unread-close-rst", BAD_GATEWAY, HEADER_RESET),
    Case(NGINX, DOWNLOADS, "half-close", BAD_GATEWAY, FIN_IN_HEADER),
    Case(NGINX, DOWNLOADS, "stalled-reader", GATEWAY_TIMEOUT, HEADER_TIMED_OUT, WAITED, LIMIT),
    Case(NGINX, DOWNLOADS, "stalled-peer", GATEWAY_TIMEOUT, HEADER_TIMED_OUT, WAITED, LIMIT),
    Case(NGINX, DOWNLOADS, "fin-mid-message", SHORT, FIN_IN_BODY),
    Case(NGINX, DOWNLOADS, "fin-mid-message:after=100B", BAD_GATEWAY, FIN_IN_HEADER),
    Case(NGINX, DOWNLOADS, LOST, BAD_GATEWAY, HEADER_RESET, 1.0),
    Case(NGINX, DOWNLOADS, BLIP, DONE, after=0.3),
    Case(NGINX, DOWNLOADS_SLOWLY, FLAPPING, DONE, after=1.3),
    Case(NGINX, DOWNLOADS, "vanished-host", GATEWAY_TIMEOUT + BAD_GATEWAY, HEADER_TIMED_OUT + HEADER_RESET, 0, LIMIT),
    Case(NGINX, DOWNLOADS, "connect-blackhole", GATEWAY_TIMEOUT, CONNECT_TIMED_OUT, WAITED, LIMIT),
    Case(NGINX, DOWNLOADS, "connect-refused", BAD_GATEWAY, REFUSED),
    Case(NGINX, DOWNLOADS, "accept-then-reset", BAD_GATEWAY, ACCEPT_RESET),
    Case(NGINX, DOWNLOADS_200, "byte-by-byte", DONE, after=0.4),
    Case(NGINX, DOWNLOADS, "reset-mid-response", SHORT, READV_RESET),
    Case(
        NGINX,
        DOWNLOADS_UNBUFFERED,
        "reset-mid-response",
        SHORT,
        ("recv() failed (104: Connection reset by peer) while …",),
    ),
    Case(NGINX, DOWNLOADS, "reset-mid-response:after=100B", BAD_GATEWAY, HEADER_RESET),
    Case(NGINX, DOWNLOADS, "slow-link", DONE, after=0.2),
    Case(NGINX, DOWNLOADS, "cable-pull:after=50kB", SHORT, TIMED_OUT, WAITED, LIMIT),
    Case(NGINX, DOWNLOADS, "cable-pull", GATEWAY_TIMEOUT, HEADER_TIMED_OUT, WAITED, LIMIT),
    Case(NGINX, DOWNLOADS, "gave-up-rst:give_up=500ms", SHORT, READV_RESET, 0.5),
    Case(NGINX, DOWNLOADS_LATER, FORGOTTEN, DONE, HEADER_RESET),
    Case(NGINX, DOWNLOADS_LATER, DROPPED, GATEWAY_TIMEOUT, HEADER_TIMED_OUT, WAITED, LIMIT),
    Case(NGINX, DOWNLOADS_LATER, RESET_IDLE, DONE),
    Case(NGINX, DOWNLOADS_LATER, CLOSED_IDLE, DONE),
    Case(NGINX, DOWNLOADS_TWICE, "http-keepalive-race", DONE, HEADER_RESET),
    Case(NGINX, DOWNLOADS, "linger0-rst", BAD_GATEWAY, HEADER_RESET),
    Case(NGINX, DOWNLOADS, "content-reset:text=GET", BAD_GATEWAY, HEADER_RESET),
    Case(NGINX, DOWNLOADS, "firewall-rst", SHORT, READV_RESET),
    Case(NGINX, DOWNLOADS, "listen-overflow", GATEWAY_TIMEOUT, HEADER_TIMED_OUT, after=WAITED, limit=LIMIT),
    Case(NGINX, DOWNLOADS_LATER, TOO_OLD, DONE),
]
