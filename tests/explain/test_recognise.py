"""The words of real clients lead to the symptom whose causes have made them say so."""

from __future__ import annotations

import errno

import pytest
from tests.explain.measured import MET, SAID
from tests.real.case import CURL, NGINX, NODE, Case
from tests.real.expected import CASES

from bustedwall.explain.model import Symptom, load
from bustedwall.explain.recognise import PIECE, REACH, Found, nearest, recognise, recognise_all
from bustedwall.faults.inject import InjectFault
from bustedwall.policy import library
from bustedwall.policy.load import load_use
from bustedwall.policy.rules import Arm

TEXTS = load()


def found(text: str) -> list[Found]:
    return recognise(text, TEXTS)


def names(text: str) -> list[str]:
    return [one.symptom.name for one in found(text)]


def policies(symptom: Symptom) -> set[str]:
    return {use.partition(":")[0] for cause in symptom.causes for use in cause.policies}


def printed(case: Case, ends: str, says: str) -> str:
    """Return what a user gets to see of an ending."""
    if case.client == NODE:
        return f"Error: {says}\n    at Socket (node:net:1)  {{\n  code: '{ends}'\n}}"
    return says if case.client in (CURL, NGINX) else f"{ends}: {says}"


REAL = [
    (case.name, text.replace("…", "4711"))
    for case in CASES
    for text in [
        *(printed(case, *ending) for ending in case.endings if ending[1]),
        *(f"2026/11/26 12:00:00 [error] 12#0: *3 {log}, client: 127.0.0.1" for log in case.log),
    ]
]


@pytest.mark.parametrize(("policy", "text"), sorted({*REAL, *MET}))
def test_what_a_client_said_to_a_policy_is_told_to_come_from_it(policy: str, text: str) -> None:
    told = found(text)

    assert told
    assert any(policy in policies(one.symptom) for one in told), [one.symptom.name for one in told]


@pytest.mark.parametrize(("symptom", "text"), SAID)
def test_what_was_measured_elsewhere_is_its_symptom(symptom: str, text: str) -> None:
    assert symptom in names(text)


@pytest.mark.parametrize(
    ("text", "symptoms"),
    [
        ("ECONNRESET", ["reset"]),
        ("104", ["reset"]),
        ("-104", ["reset"]),
        ("EPIPE", ["broken-pipe"]),
        ("ETIMEDOUT", ["kernel-gave-up", "connect-timeout"]),
        ("ECONNREFUSED", ["refused"]),
        ("EHOSTUNREACH", ["unreachable"]),
        ("ENETUNREACH", ["unreachable"]),
        ("ECONNABORTED", ["aborted-here"]),
        ("OSError: [Errno 104] Connexion ré-initialisée par le correspondant", ["reset"]),
        ("Os { code: 111 } (os error 111)", ["refused"]),
        ("EOF", ["end-before-answer"]),
        ("unexpected EOF", ["end-in-answer"]),
    ],
)
def test_an_errno_is_its_symptom(text: str, symptoms: list[str]) -> None:
    assert names(text) == symptoms


def test_small_letters_do_where_nothing_else_is_found() -> None:
    assert names("econnreset") == ["reset"]


def test_longer_words_go_before_those_that_are_a_part_of_them() -> None:
    assert names("Connection reset by peer") == ["reset"]
    assert names("readv() failed (104: Connection reset by peer) while reading upstream") == ["reset-in-answer"]
    assert names("connect() failed (104: Connection reset by peer) while connecting to upstream") == [
        "reset-on-connect"
    ]
    assert names("writev() failed (104: Connection reset by peer) while sending request to upstream") == [
        "reset-on-send"
    ]


def test_a_word_within_another_is_none() -> None:
    assert names("MYEPIPELINE ECONNRESETTING") == []


def test_all_that_lines_tell_of_is_told_the_most_exact_first() -> None:
    log = (
        "a: Connection refused\n"
        "b: upstream prematurely closed connection while reading response header from upstream\n"
        "c: recv() failed (104: Connection reset by peer) while reading response header from upstream\n"
    )

    assert names(log) == ["reset", "end-before-answer", "refused"]


def test_a_traceback_tells_of_what_is_most_exact_in_it() -> None:
    traceback = (
        "ConnectionResetError: [Errno 104] Connection reset by peer\n"
        "The above exception was the direct cause of the following exception:\n"
        "urllib3.exceptions.NewConnectionError: HTTPConnection(host='a', port=1): "
        "Failed to establish a new connection: [Errno 104] Connection reset by peer\n"
    )

    assert names(traceback) == ["reset-on-connect"]


def test_a_text_that_was_wrapped_is_the_same() -> None:
    assert names("upstream prematurely closed\n    connection while reading upstream") == ["end-in-answer"]


def test_node_says_econnreset_where_no_rst_came() -> None:
    assert names("Error: socket hang up\n  code: 'ECONNRESET'") == ["hung-up"]
    assert names("Error: read ECONNRESET\n  code: 'ECONNRESET'") == ["reset"]


def test_every_word_of_the_data_is_recognised_as_its_own_symptom() -> None:
    for symptom in TEXTS.symptoms:
        for program, words, _ in symptom.said():
            said = words.replace("…", "4711").replace("⋮", ": x\n\tat a.B.c(B.java:1)\nCaused by: ").replace("¶", "")
            assert symptom.name in names(said), (program, words)


def test_the_nearest_words_are_offered_and_none_where_none_are_near() -> None:
    near = nearest("conection resett by per", TEXTS)

    assert near is not None
    assert near.symptom.name == "reset"
    assert nearest("a completely different thing", TEXTS) is None
    assert nearest("", TEXTS) is None


def log(*, before: int) -> str:
    """Return a dull log of so many characters."""
    line = "nothing to see here\n"
    return (line * (before // len(line) + 1))[:before]


@pytest.mark.parametrize("before", [0, PIECE - 3, PIECE + REACH - 3, PIECE + REACH, 3 * PIECE + 7])
@pytest.mark.parametrize("part", [1000, PIECE, 10 * PIECE])
def test_all_of_a_long_log_is_read(before: int, part: int) -> None:
    text = f"{log(before=before)}\nError: read ECONNRESET\n{log(before=2 * PIECE)}"
    parts = (text[at : at + part] for at in range(0, len(text), part))

    assert [one.symptom.name for one in recognise_all(parts, TEXTS)] == ["reset"]


def test_words_are_told_once_however_many_pieces_have_them() -> None:
    lines = f"upstream prematurely closed connection while reading upstream\n{log(before=REACH)}" * 20

    assert names(lines) == ["end-in-answer"]


def test_what_is_nearest_is_looked_for_in_the_last_lines() -> None:
    near = nearest(f"{log(before=1000)}conection resett by per", TEXTS)

    assert near is not None
    assert near.symptom.name == "reset"
    assert nearest(f"conection resett by per\n{log(before=1000)}", TEXTS) is None


def test_colours_and_links_within_words_are_no_part_of_them() -> None:
    assert names("Error: Connection \x1b[01;31m\x1b[Kreset\x1b[m\x1b[K by peer") == ["reset"]
    assert names("\x1b]8;;http://a/\x07Connection refused\x1b]8;;\x07") == ["refused"]


TRACE = """\
Exception in thread "main" java.io.IOException: {said}
\tat java.net.http/jdk.internal.net.http.HttpClientImpl.send(HttpClientImpl.java:586)
\tat Hc.main(Hc.java:9)
Caused by: java.io.IOException: {said}
\tat java.net.http/jdk.internal.net.http.common.Utils.wrapWithExtraDetail(Utils.java:386)
\t... 1 more
Caused by: {cause}
\tat java.base/sun.nio.ch.SocketChannelImpl.throwConnectionReset(SocketChannelImpl.java:401)
"""
EOF, RESET = "java.io.EOFException: EOF reached while reading", "java.net.SocketException: Connection reset"
NOTHING, SHORT = "HTTP/1.1 header parser received no bytes", "fixed content-length: 5000, bytes received: 959"


@pytest.mark.parametrize(
    ("said", "cause", "symptoms"),
    [
        (NOTHING, EOF, ["end-before-answer"]),
        (NOTHING, RESET, ["reset"]),
        (SHORT, EOF, ["end-in-answer"]),
        (SHORT, RESET, ["reset-in-answer"]),
    ],
)
def test_the_cause_in_a_trace_of_java_decides(said: str, cause: str, symptoms: list[str]) -> None:
    """Java 17's HttpClient says the same to a FIN and to a RST; behind the policies only the last cause differed."""
    assert names(TRACE.format(said=said, cause=cause)) == symptoms


def test_the_first_line_alone_is_both() -> None:
    for said, symptoms in ((NOTHING, {"end-before-answer", "reset"}), (SHORT, {"end-in-answer", "reset-in-answer"})):
        told = found(f"java.io.IOException: {said}")
        assert {one.symptom.name for one in told} == symptoms
        assert all(one.words.endswith(said.rpartition(" ")[2]) for one in told), "what is quoted is not cut"


@pytest.mark.parametrize(
    ("text", "symptom"),
    [
        ("java.net.SocketException: Socket closed", "closed-here"),
        ("java.net.SocketException: Socket is closed", "closed-here"),
        ("aborted", "aborted"),
        ("Error: aborted\n    at TLSSocket.socketCloseListener (node:_http_client:478:19)", "aborted"),
        ("curl: (7) Failed to connect to 127.0.0.1 port 80 after 0 ms: Couldn't connect to server", "not-connected"),
        ("OSError: [Errno 113] Connect call failed ('127.0.0.1', 80)", "unreachable"),
        (
            '  File "/usr/lib/python3.11/asyncio/timeouts.py", line 115\n    raise TimeoutError\nTimeoutError',
            "no-answer",
        ),
        ("asyncio.exceptions.IncompleteReadError: 0 bytes read on a total of 5041 expected bytes", "end-before-answer"),
        ("asyncio.exceptions.IncompleteReadError: 7 bytes read on a total of 5041 expected bytes", "end-in-answer"),
        ("ssl.SSLZeroReturnError: TLS/SSL connection has been closed (EOF) (_ssl.c:1006)", "tls-closed"),
        ("LOG:  unexpected EOF on client connection with an open transaction", "client-gone"),
        ("code: ECONNABORTED, message: timeout of 1000ms exceeded", "no-answer"),
        ("ERR max number of clients reached", "server-full"),
        ("ERROR 1040 (08004): Too many connections", "server-full"),
        ("FATAL:  sorry, too many clients already", "server-full"),
        ("The client was disconnected by the server because of inactivity", "server-idle-limit"),
    ],
)
def test_words_have_this_symptom_and_no_other(text: str, symptom: str) -> None:
    assert names(text) == [symptom]


def test_who_says_words_is_told_and_who_may() -> None:
    (java,) = found("java.net.SocketTimeoutException: Read timed out")
    assert "Java" in java.program
    assert "requests" not in java.program
    assert names("the user aborted the job") == []


def injected(policy: str) -> str:
    """Return what a policy says to a client by itself."""
    faults = [step.fault for rule in load_use(policy) for step in rule.steps if isinstance(step, Arm)]
    told = [one for one in faults if isinstance(one, InjectFault)]
    said = "".join(one.text or bytes.fromhex(one.hex or "").decode(errors="replace") for one in told)
    return said.replace(
        "#HY000", " "
    )  # in MySQL's packet the text begins right behind the state; no client shows it so


@pytest.mark.parametrize("policy", [name for name in library.names() if injected(name)])
def test_what_a_policy_says_itself_leads_to_it(policy: str) -> None:
    assert policy in {name for one in found(injected(policy)) for name in policies(one.symptom)}


def test_errnos_of_this_machine_have_the_numbers_that_are_meant() -> None:
    assert (errno.ECONNRESET, errno.ETIMEDOUT, errno.ECONNREFUSED) == (104, 110, 111)
