"""What a filter loses: its program, run here, says of each segment what the words of a loss say.

That the kernel runs it in the same way is shown on sockets, where there is the privilege for it.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bustedwall.kernel import filter as kernel_filter
from bustedwall.kernel.filter import aim, compiled
from bustedwall.terms.losses import Loss, Way, What

FIN, SYN, RST, ACK = 1, 2, 4, 16
EXPECTED = 5
"""The next byte's number: the ones before it wrap around."""

SEGMENTS = st.builds(
    lambda seq, options, flags, size: (seq, options, flags, size),
    st.sampled_from([0, 3, 4, 5, 6, 0xFFFFFFFF]),
    st.integers(0, 10),
    st.sampled_from([ACK, ACK | FIN, SYN, SYN | ACK, RST, RST | ACK]),
    st.sampled_from([0, 1, 2, 999, 1000, 1001, 5000]),
)
"""Sequence number, words of options, flags, bytes carried."""

LOSSES = st.builds(
    Loss, st.just(Way.FROM), st.sampled_from(list(What)), st.sampled_from([0, 1, 1000]), st.sampled_from([1.0, 0.25])
)


def segment(seq: int, options: int, flags: int, size: int) -> bytes:
    header = struct.pack("!HHIIBBHHH", 1, 2, seq, 7, (5 + options) << 4, flags, 512, 0, 0)
    return header + b"\xff" * (4 * options) + b"\xff" * size


ARITHMETIC: dict[int, Callable[[int, int, int], int]] = {
    0x0C: lambda a, x, _: a + x,
    0x14: lambda a, _, k: a - k,
    0x1C: lambda a, x, _: a - x,
    0x54: lambda a, _, k: a & k,
    0x74: lambda a, _, k: a >> k,
}
COMPARISON: dict[int, Callable[[int, int], bool]] = {
    0x15: lambda a, k: a == k,
    0x25: lambda a, k: a > k,
    0x35: lambda a, k: a >= k,
    0x45: lambda a, k: bool(a & k),
}
"""By operation, of the accumulator, the index and the instruction's own value (linux/bpf_common.h)."""


def run(program: bytes, data: bytes, random: int) -> int:
    """Return how many bytes of a segment the program keeps."""
    loads: dict[int, Callable[[int], int]] = {
        0x20: lambda k: random if k == 0xFFFFF038 else int.from_bytes(data[k : k + 4], "big"),
        0x30: lambda k: data[k],
        0x80: lambda _: len(data),
    }
    code = list(struct.iter_unpack("HBBI", program))
    a = x = at = 0
    while True:
        op, yes, no, k = code[at]
        at += 1
        if op in (0x06, 0x16):
            return a if op == 0x16 else k
        if op in loads:
            a = loads[op](k)
        elif op in ARITHMETIC:
            a = ARITHMETIC[op](a, x, k) & 0xFFFFFFFF
        elif op in COMPARISON:
            at += yes if COMPARISON[op](a, k) else no
        else:
            assert op == 0x07
            x = a


def meant(loss: Loss, seq: int, flags: int, size: int, random: int) -> bool:
    """Tell whether a loss means a segment, by the words that describe it."""
    which = {
        What.ALL: True,
        What.DATA: size > 0,
        What.ACKS: size == 0 and not flags & (SYN | FIN | RST),
        What.FIN: bool(flags & FIN),
        What.RST: bool(flags & RST),
        What.KEEPALIVES: size <= 1 and seq == EXPECTED - 1 and not flags & (SYN | FIN | RST),
    }[loss.what]
    return which and (not loss.larger_than or size > loss.larger_than) and random < loss.probability * 2**32


@given(st.sets(LOSSES, max_size=4), SEGMENTS, st.sampled_from([0, 0x3FFFFFFF, 0x40000000, 0xFFFFFFFF]))
def test_what_any_loss_means_is_lost_and_the_rest_is_kept_whole(
    losses: set[Loss], segment_of: tuple[int, int, int, int], random: int
) -> None:
    seq, options, flags, size = segment_of
    data = segment(seq, options, flags, size)
    kept = run(compiled(losses, dict.fromkeys(losses, EXPECTED - 1)), data, random)
    assert (kept == 0) is any(meant(loss, seq, flags, size, random) for loss in losses)
    assert kept in (0, 0xFFFFFFFF)


@pytest.mark.parametrize("expected", [0, 1])
def test_the_number_before_the_first_wraps_around(expected: int) -> None:
    loss = Loss(Way.FROM, What.KEEPALIVES)
    program = compiled([loss], {loss: (expected - 1) & 0xFFFFFFFF})
    assert run(program, segment((expected - 1) & 0xFFFFFFFF, 3, ACK, 0), 0) == 0
    assert run(program, segment(expected, 3, ACK, 0), 0) != 0


@given(SEGMENTS, st.sampled_from([0xFFFFFC00, 0xFFFFFFFE, 0, 4, 5, 7, 500, 2000]))
def test_beyond_a_byte_a_segment_is_cut_or_lost(segment_of: tuple[int, int, int, int], number: int) -> None:
    seq, options, flags, size = segment_of
    data = segment(seq, options, flags, size)
    loss = Loss(Way.FROM, What.DATA, beyond=1)
    kept = run(compiled([loss], {loss: number}), data, 0)

    before = (number - seq + 0x80000000 & 0xFFFFFFFF) - 0x80000000  # bytes of the segment in front of the limit
    behind = size - before
    if behind <= 0 or not (size or flags & FIN):
        assert kept == 0xFFFFFFFF, "all of it is in front"
    elif flags & FIN or before <= 0:
        assert kept == 0, "it begins behind, or a FIN would follow the cut"
    else:
        assert kept == len(data) - behind


def test_what_arrives_while_it_is_aimed_moves_no_aim(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream begins at 100; 10 bytes wait, then 25 more arrive between the two questions."""
    expected, waiting = iter([110, 135, 135]), iter([35, 35])
    monkeypatch.setattr(kernel_filter, "_expects", lambda _: next(expected))
    monkeypatch.setattr(kernel_filter, "unread", lambda _: next(waiting))
    with socket.socket() as sock:
        assert aim(sock, Loss(Way.FROM, What.DATA, beyond=1000)) == 1100
