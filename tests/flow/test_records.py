"""`tls`: the moment of a record, by its header (RFC 8446 §5.1), however its bytes are cut into chunks."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.flow.play import CLIENT, SERVER, arm, fired, play, rule, told_at

from bustedwall.flow.flow import Flow
from bustedwall.flow.orders import RulesChanged
from bustedwall.policy.rules import AtRecord, AtTurn, RecordKind, Wait
from bustedwall.terms.commands import Depth, Flush, Note, Reset, Send
from bustedwall.terms.events import Arrived, Flushed, Opened
from bustedwall.terms.facts import RuleMissed
from bustedwall.terms.items import Bytes
from bustedwall.terms.passage import WATCHED_ROAD

RESET = arm("reset client")
APPLICATION, ALERT = RecordKind.APPLICATION, RecordKind.ALERT
CODES = {RecordKind.CHANGE: 20, ALERT: 21, RecordKind.HANDSHAKE: 22, APPLICATION: 23}
NO_TLS = "what the server says is no TLS, or does not begin with a record"


def record(kind: RecordKind, length: int) -> bytes:
    """Write a record with so many bytes behind its header."""
    return bytes([CODES[kind], 3, 3, *length.to_bytes(2)]) + Random(length).randbytes(length)


STREAM = record(RecordKind.HANDSHAKE, 7) + record(APPLICATION, 40) + record(ALERT, 2) + record(APPLICATION, 9)


@pytest.mark.parametrize(
    ("moment", "offsets"),
    [
        (AtRecord(SERVER, APPLICATION), [57, 78]),
        (AtRecord(SERVER, APPLICATION, nth=2), [78]),
        (AtRecord(SERVER, APPLICATION, nth=3), []),
        (AtRecord(SERVER, ALERT), [64]),
        (AtRecord(SERVER, APPLICATION, part=12), [24, 76]),
        (AtRecord(SERVER, APPLICATION, part=1000), [57, 78]),
        (AtRecord(SERVER, RecordKind.HANDSHAKE, part=5), [5]),
    ],
)
@pytest.mark.parametrize("size", [1, 4, 5, 6, 30, 1000])
def test_a_record_is_found_however_it_is_cut(moment: AtRecord, offsets: list[int], size: int) -> None:
    assert told_at(moment, [STREAM[at : at + size] for at in range(0, len(STREAM), size)]) == offsets


@pytest.mark.parametrize("size", [6, 30, 1000])
def test_a_record_of_which_nothing_is_to_pass(size: int) -> None:
    """What of its header has passed already cannot be taken back."""
    chunks = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]

    first, second = told_at(AtRecord(SERVER, APPLICATION, part=0), chunks)
    assert (first, second) in ((12, 64), (12, 66))


@given(
    st.lists(st.tuples(st.sampled_from(RecordKind), st.integers(0, 60)), max_size=12),
    st.lists(st.integers(1, 40), min_size=1, max_size=30),
    st.builds(
        AtRecord, st.just(SERVER), st.sampled_from(RecordKind), st.integers(1, 4), st.none() | st.integers(5, 70)
    ),
)
def test_any_stream_in_any_chunks(records: list[tuple[RecordKind, int]], sizes: list[int], moment: AtRecord) -> None:
    stream = b"".join(record(*each) for each in records)
    expected, at, count = [], 0, 0
    for kind, length in records:
        end = at + 5 + length
        if kind is moment.kind and (count := count + 1) >= moment.nth:
            expected.append(end if moment.part is None else min(end, at + moment.part))
        at = end
    chunks = []
    for size in sizes * len(stream):
        chunks.append(stream[:size])
        stream = stream[size:]
        if not stream:
            break

    assert told_at(moment, chunks) == expected


def test_what_is_no_tls_is_told_once_and_passes() -> None:
    flow = Flow((rule(AtRecord(SERVER, APPLICATION), RESET),))

    play(
        flow,
        (0.0, Opened(), []),
        (1.0, Arrived(SERVER, Bytes(b"HTT")), [Send(CLIENT, b"HTT")]),
        (1.0, Arrived(SERVER, Bytes(b"P/1.1 200")), [Send(CLIENT, b"P/1.1 200")]),
        (1.0, Arrived(SERVER, Bytes(b" OK")), [Send(CLIENT, b" OK")]),
    )
    assert flow.passage(SERVER) == WATCHED_ROAD


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1", b"\x17\x02\x03\x00\x01x", b"\x17\x03\x03\xff\xff", b"\x19\x03\x03\x00\x01"]
)
def test_what_is_no_tls_is_a_fact(data: bytes) -> None:
    flow = Flow((rule(AtRecord(SERVER, APPLICATION), RESET),))
    flow.handle(Opened(), 0.0)

    assert Note(RuleMissed("test/rule", NO_TLS)) in flow.handle(Arrived(SERVER, Bytes(data)), 1.0)
    assert not fired(flow.handle(Arrived(SERVER, Bytes(record(APPLICATION, 3))), 1.0))


def test_a_rule_that_comes_to_an_open_flow_cannot_count() -> None:
    flow = Flow(())
    flow.handle(Opened(), 0.0)

    commands = flow.handle(RulesChanged((rule(AtRecord(SERVER, APPLICATION), RESET),)), 1.0)
    assert Note(RuleMissed("test/rule", "nobody counted the records before")) in commands


def test_a_script_counts_from_where_it_waits() -> None:
    waiting = rule(AtTurn(SERVER, 1), arm("latency 0s from client"), Wait(AtRecord(SERVER, ALERT)), RESET)
    flow = Flow((waiting,))
    data = record(APPLICATION, 3) + record(ALERT, 2)

    play(
        flow,
        (0.0, Opened(), []),
        (1.0, Arrived(SERVER, Bytes(data + b"\x17")), [Flush(CLIENT, Depth.KERNEL)]),
        (1.0, Flushed(CLIENT), [Send(CLIENT, data), Flush(CLIENT, Depth.KERNEL)]),
        (1.0, Flushed(CLIENT), [Reset(CLIENT)]),
    )
