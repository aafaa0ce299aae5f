"""What a filter loses: its program, run here, says of each segment what the words of a loss say.

That the kernel runs it in the same way is shown on sockets, where there is the privilege for it.
"""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bustedwall.kernel.filter import compiled
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


def run(program: bytes, data: bytes, random: int) -> int:
    """Return how many bytes of a segment the program keeps (linux/bpf_common.h, as far as we use it)."""
    code = list(struct.iter_unpack("HBBI", program))
    a = x = at = 0
    while True:
        op, yes, no, k = code[at]
        at += 1
        match op:
            case 0x20:
                a = random if k == 0xFFFFF038 else int.from_bytes(data[k : k + 4], "big")
            case 0x30:
                a = data[k]
            case 0x80:
                a = len(data)
            case 0x1C:
                a = a - x & 0xFFFFFFFF
            case 0x74:
                a >>= k
            case 0x54:
                a &= k
            case 0x07:
                x = a
            case 0x06:
                return k
            case _:  # a comparison
                so = {0x15: a == k, 0x25: a > k, 0x35: a >= k, 0x45: bool(a & k)}[op]
                at += yes if so else no


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
    kept = run(compiled(losses, EXPECTED), data, random)
    assert (kept == 0) is any(meant(loss, seq, flags, size, random) for loss in losses)
    assert kept in (0, 0xFFFFFFFF)


@pytest.mark.parametrize("expected", [0, 1])
def test_the_number_before_the_first_wraps_around(expected: int) -> None:
    program = compiled([Loss(Way.FROM, What.KEEPALIVES)], expected)
    assert run(program, segment((expected - 1) & 0xFFFFFFFF, 3, ACK, 0), 0) == 0
    assert run(program, segment(expected, 3, ACK, 0), 0) != 0
