"""The words of real clients lead to the symptom whose causes have made them say so."""

from __future__ import annotations

import errno

import pytest
from tests.explain.measured import MET, SAID
from tests.real.case import CURL, NGINX, NODE, Case
from tests.real.expected import CASES

from bustedwall.explain.model import Symptom, load
from bustedwall.explain.recognise import LONGEST, Found, nearest, recognise

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
            assert symptom.name in names(words.replace("…", "4711")), (program, words)


def test_the_nearest_words_are_offered_and_none_where_none_are_near() -> None:
    near = nearest("conection resett by per", TEXTS)

    assert near is not None
    assert near.symptom.name == "reset"
    assert nearest("a completely different thing", TEXTS) is None
    assert nearest("", TEXTS) is None


def test_of_a_long_log_the_beginning_is_read() -> None:
    line = "nothing to see here\n"
    before = line * (LONGEST // len(line) - 1)

    assert names(f"{before}EPIPE\n") == ["broken-pipe"]
    assert names(f"{before}{line * 2}EPIPE\n") == []


def test_errnos_of_this_machine_have_the_numbers_that_are_meant() -> None:
    assert (errno.ECONNRESET, errno.ETIMEDOUT, errno.ECONNREFUSED) == (104, 110, 111)
