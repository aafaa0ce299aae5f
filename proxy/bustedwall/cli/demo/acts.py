"""The acts of the demo: what may have been the cause, which policy does it, and what everybody must see.

The causes are the four that Rick Jones gave on the bind-users list on 30 May 2006, when somebody
asked who had reset his connection.
"""

from __future__ import annotations

from dataclasses import dataclass

REQUEST = b"GET / HTTP/1.1\r\nHost: demo\r\n\r\n"
BODY = b"x" * 2000
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)

CLIENT_LIMIT = 1000
"""Milliseconds for which the client's kernel waits for an ACK (TCP_USER_TIMEOUT); its default is about 15 minutes."""


@dataclass(frozen=True, slots=True)
class Act:
    """One policy, and every cell of what it must show."""

    policy: str
    """As on the command line; empty for none."""
    shows: str
    """What happens, in a line."""
    client: tuple[str, ...]
    """The client's calls and what each returns, in order; `poll` waits until it says so."""
    server: tuple[str, ...]
    """The server's."""
    wire: tuple[str, ...] = ()
    """What the kernels counted and sent; `n` stands for one or more."""
    evidence: tuple[str, ...] = ()
    """The verdict on each thing that was done."""
    at_least: float = 0.0
    """Seconds that it takes, at least."""

    @property
    def cells(self) -> dict[str, tuple[str, ...]]:
        """Return what must be seen, by whom."""
        return {"client": self.client, "server": self.server, "wire": self.wire, "evidence": self.evidence}


@dataclass(frozen=True, slots=True)
class Cause:
    """One answer to the old question, and the acts that show it."""

    title: str
    acts: tuple[Act, ...]


ASKED = f"recv: {len(REQUEST)} B"
WHOLE = f"recv: {len(ANSWER)} B"
GONE = ("recv: ECONNRESET", "send: EPIPE")

CAUSES = (
    Cause(
        "nothing is broken",
        (Act("", "the proxy does not show", ("send: ok", WHOLE, "send: ok", WHOLE), (ASKED, "send: ok") * 2),),
    ),
    Cause(
        "1 the peer's data, or our ACKs, were lost; when he gave up, his RST got through",
        (
            Act(
                "gave-up-rst:give_up=1s",
                "the client has the answer, its ACKs are lost, and after 1 s the peer gives up",
                ("send: ok", WHOLE, *GONE),
                (ASKED, "send: ok"),
                ("client's leg: n arrived and lost, n sent again", "RST to client"),
                ("all from client: effective", "reset client: effective"),
                at_least=1.0,
            ),
            Act(
                "gave-up-rst:give_up=1s,lost=all to client",
                "the answer is lost behind its first byte, again and again, for 1 s",
                ("send: ok", "recv: 1 B", *GONE),
                (ASKED, "send: ok"),
                ("client's leg: n sent again", "RST to client"),
                ("all to client: effective", "reset client: effective"),
                at_least=1.0,
            ),
        ),
    ),
    Cause(
        "2 the peer called close(), not just shutdown(SHUT_WR), before our data arrived",
        (
            Act(
                "closed-before-data",
                "the FIN was seen: the first send succeeds, and Linux never says ECONNRESET",
                ("poll: IN OUT RDHUP", "send: ok", "poll: IN OUT ERR HUP RDHUP", "send: EPIPE", "recv: EOF"),
                ("recv: EOF",),
                ("FIN to client", "FIN to server"),
                ("close client: effective", "close server: effective"),
            ),
            Act(
                "closed-fin-lost",
                "the FIN was lost: what is sent next meets a host that knows of no such connection",
                ("rule: close", "send: ok", *GONE),
                ("recv: EOF",),
                ("nothing to client", "FIN to server"),
                ("vanish client: effective", "close server: effective"),
            ),
            Act(
                "unread-close-rst",
                "the peer closed with the request unread, as a killed program does",
                ("send: ok", *GONE),
                ("recv: EOF",),
                ("RST to client", "FIN to server"),
                ("close-unread client: effective", "close server: effective"),
            ),
            Act(
                "half-close",
                "its harmless twin, shutdown(SHUT_WR): the peer has sent all and reads on",
                ("poll: IN OUT RDHUP", "recv: EOF", "send: ok", "send: ok"),
                (f"recv: {2 * len(REQUEST)} B",),
                ("FIN to client",),
                ("half-close client: effective",),
            ),
        ),
    ),
    Cause(
        "3 a busted firewall in between reset the flow, or forgot it",
        (
            Act(
                "firewall-rst",
                "a box resets both ends in the middle of the answer",
                ("send: ok", "recv: 1000 B", *GONE),
                (ASKED, "send: ok", "recv: ECONNRESET"),
                ("RST to client", "RST to server"),
                ("reset client: effective", "reset server: effective"),
            ),
            Act(
                "aws-nlb-idle:idle=2s",
                "a load balancer forgets a quiet connection; the next request meets a RST",
                ("send: ok", WHOLE, "rule: forget", "send: ok", *GONE),
                (ASKED, "send: ok"),
                ("nothing to client", "nothing to server"),
                ("vanish client: effective", "vanish server: effective"),
                at_least=2.0,
            ),
        ),
    ),
    Cause(
        "4 reset, but not by peer: a limit of the client's own",
        (
            Act(
                "cable-pull",
                f"silence, both ways; the client's kernel gives up after {CLIENT_LIMIT / 1000:g} s",
                ("send: ok", "recv: 1 B", "rule: pull", "send: ok", "recv: ETIMEDOUT", "send: EPIPE"),
                (ASKED, "send: ok"),
                ("client: n sent again", "client's leg: n arrived and lost, n sent again"),
                ("all from client, all to client: effective",),
                at_least=CLIENT_LIMIT / 1000,
            ),
        ),
    ),
)
