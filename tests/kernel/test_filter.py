"""What a filter loses: its program, run here, says of each segment what the words of a loss say.

That the kernel runs it in the same way is shown on sockets, where there is the privilege for it.
"""

from __future__ import annotations

import math
import random
import socket
import struct
from collections.abc import Iterator
from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kernel import machine
from tests.kernel.machine import within

from bustedwall.kernel import filter as kernel_filter
from bustedwall.kernel.filter import aim
from bustedwall.kernel.program import compiled
from bustedwall.terms.losses import Loss, Way, What

FIN, SYN, RST, ACK = 1, 2, 4, 16
MSS = 1448
NO_DRAWS: Iterator[int] = iter(())
RANDOM = 0xFFFFF038
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
).filter(lambda loss: not loss.drawn_for_each)


def segment(seq: int, options: int, flags: int, size: int) -> bytes:
    header = struct.pack("!HHIIBBHHH", 1, 2, seq, 7, (5 + options) << 4, flags, 512, 0, 0)
    return header + b"\xff" * (4 * options) + b"\xff" * size


def run(program: bytes, data: bytes, draws: Iterator[int]) -> int:
    """Return how many bytes of a segment the program keeps, as sk_filter takes what it returns."""
    load = within(data)
    kept = machine.run(program, lambda at, size: next(draws) if at == RANDOM else load(at, size), len(data))
    return min(kept, len(data))


def meant(loss: Loss, seq: int, flags: int, size: int, drawn: int) -> bool:
    """Tell whether a loss means a segment, by the words that describe it."""
    which = {
        What.ALL: True,
        What.DATA: size > 0,
        What.ACKS: size == 0 and not flags & (SYN | FIN | RST),
        What.FIN: bool(flags & FIN),
        What.RST: bool(flags & RST),
        What.KEEPALIVES: size <= 1 and seq == EXPECTED - 1 and not flags & (SYN | FIN | RST),
    }[loss.what]
    return which and (not loss.larger_than or size > loss.larger_than) and drawn < loss.probability * 2**32


@given(st.sets(LOSSES, max_size=4), SEGMENTS, st.sampled_from([0, 0x3FFFFFFF, 0x40000000, 0xFFFFFFFF]))
def test_what_any_loss_means_is_lost_and_the_rest_is_kept_whole(
    losses: set[Loss], segment_of: tuple[int, int, int, int], drawn: int
) -> None:
    seq, options, flags, size = segment_of
    data = segment(seq, options, flags, size)
    kept = run(compiled(losses, dict.fromkeys(losses, EXPECTED - 1), MSS), data, repeat(drawn))
    assert (kept == 0) is any(meant(loss, seq, flags, size, drawn) for loss in losses)
    assert kept in (0, len(data))


@pytest.mark.parametrize("expected", [0, 1])
def test_the_number_before_the_first_wraps_around(expected: int) -> None:
    loss = Loss(Way.FROM, What.KEEPALIVES)
    program = compiled([loss], {loss: (expected - 1) & 0xFFFFFFFF}, MSS)
    assert run(program, segment((expected - 1) & 0xFFFFFFFF, 3, ACK, 0), NO_DRAWS) == 0
    assert run(program, segment(expected, 3, ACK, 0), NO_DRAWS) != 0


@given(SEGMENTS, st.sampled_from([0xFFFFFC00, 0xFFFFFFFE, 0, 4, 5, 7, 500, 2000]))
def test_beyond_a_byte_a_segment_is_cut_or_lost(segment_of: tuple[int, int, int, int], number: int) -> None:
    seq, options, flags, size = segment_of
    data = segment(seq, options, flags, size)
    loss = Loss(Way.FROM, What.DATA, beyond=1)
    kept = run(compiled([loss], {loss: number}, MSS), data, NO_DRAWS)

    before = (number - seq + 0x80000000 & 0xFFFFFFFF) - 0x80000000  # bytes of the segment in front of the limit
    behind = size - before
    if behind <= 0 or not (size or flags & FIN):
        assert kept == len(data), "all of it is in front"
    elif flags & FIN or before <= 0:
        assert kept == 0, "it begins behind, or a FIN would follow the cut"
    else:
        assert kept == len(data) - behind


# ---- chance: of several segments that come as one piece


def bits(mss: int) -> int:
    """Return how many bits it takes to number the segments of 64 KiB."""
    return math.ceil(65536 / mss).bit_length()


def first_lost(number: int | None, mss: int = MSS) -> Iterator[int]:
    """Return draws after which this segment of a piece is the first that is lost: whether there is one, then the bits.

    A bit is 1 where what is drawn is below its limit, and 0 is below every limit.
    """
    yield 0 if number is None else 0xFFFFFFFF
    for bit in range(bits(mss)):
        yield 0 if (number or 0) >> bit & 1 else 0xFFFFFFFF


@given(st.sampled_from([0, 3, 10]), st.integers(1, 66000), st.integers(0, 1023), st.sampled_from([88, MSS, 65483]))
def test_the_segments_in_front_of_the_first_lost_one_are_kept(options: int, size: int, number: int, mss: int) -> None:
    loss = Loss(Way.FROM, What.DATA, probability=0.01)
    piece = segment(7, options, ACK, size)
    kept = run(compiled([loss], {}, mss), piece, first_lost(number, mss))
    number %= 1 << bits(mss)
    in_front = number * mss
    assert kept == (len(piece) if in_front >= size else 0 if not number else len(piece) - size + in_front)
    assert run(compiled([loss], {}, mss), piece, first_lost(None)) == len(piece)


def test_a_piece_with_a_fin_is_not_cut_but_lost() -> None:
    program = compiled([Loss(Way.FROM, What.DATA, probability=0.01)], {}, MSS)
    piece = segment(7, 3, ACK | FIN, 5 * MSS)
    assert run(program, piece, first_lost(4)) == 0
    assert run(program, piece, first_lost(5)) == len(piece)


def test_of_all_that_arrives_what_carries_nothing_is_one_segment() -> None:
    program = compiled([Loss(Way.FROM, probability=0.25)], {}, MSS)
    for flags in (ACK, ACK | FIN, RST):
        empty = segment(7, 3, flags, 0)
        assert run(program, empty, iter([0x3FFFFFFF, *first_lost(0)])) == 0
        assert run(program, empty, iter([0x40000000, *first_lost(0)])) == len(empty)
    piece = segment(7, 3, ACK, 3 * MSS)
    assert run(program, piece, first_lost(2)) == len(piece) - MSS


def test_what_is_not_larger_is_spared_whatever_is_drawn() -> None:
    program = compiled([Loss(Way.FROM, What.DATA, larger_than=1000, probability=0.01)], {}, MSS)
    assert run(program, segment(7, 3, ACK, 1000), first_lost(0)) == len(segment(7, 3, ACK, 1000))
    assert run(program, segment(7, 3, ACK, 1001), first_lost(0)) == 0


@pytest.mark.parametrize("what", [What.ALL, What.DATA])
def test_a_piece_of_segments_that_are_not_larger_is_kept_and_one_of_larger_ones_is_lost(what: What) -> None:
    piece = segment(7, 3, ACK, 45 * MSS)
    for limit, kept in ((MSS - 1, 0), (MSS, len(piece)), (MSS + 1, len(piece))):
        assert run(compiled([Loss(Way.FROM, what, limit)], {}, MSS), piece, NO_DRAWS) == kept


@pytest.mark.parametrize(("last", "lost"), [(1000, 0), (1001, 1001)])
def test_the_last_segment_of_a_piece_may_not_be_larger(last: int, lost: int) -> None:
    program = compiled([Loss(Way.FROM, What.DATA, larger_than=1000, probability=0.01)], {}, MSS)
    piece = segment(7, 3, ACK, 3 * MSS + last)
    assert run(program, piece, first_lost(3)) == len(piece) - lost
    assert run(program, piece, first_lost(2)) == len(piece) - last - MSS


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 20 * MSS))
def test_of_several_losses_that_cut_the_one_in_front_holds(one: int, other: int, limit: int) -> None:
    losses = [
        Loss(Way.FROM, What.DATA, probability=0.01),
        Loss(Way.FROM, What.DATA, probability=0.02),
        Loss(Way.FROM, What.DATA, beyond=1),
    ]
    piece = segment(7, 3, ACK, 21 * MSS)
    draws = iter([*first_lost(one), *first_lost(other)])
    kept = run(compiled(losses, {losses[2]: 7 + limit}, MSS), piece, draws)
    assert kept == len(piece) - 21 * MSS + min(one * MSS, other * MSS, limit)


@pytest.mark.parametrize("probability", [0.001, 0.01, 0.1, 0.5, 0.9])
def test_each_segment_is_as_likely_lost_as_was_said(probability: float) -> None:
    """How often the first lost one is the first, the second and so on, or none of them: (1 - p)^k p, and (1 - p)^n."""
    count, tries, segments = [0] * 9, 3000, 8
    program = compiled([Loss(Way.FROM, What.DATA, probability=probability)], {}, MSS)
    piece, chance = segment(7, 3, ACK, segments * MSS), random.Random(1)
    draws = iter(lambda: chance.getrandbits(32), -1)
    for _ in range(tries):
        kept = run(program, piece, draws)
        count[max(0, kept - (len(piece) - segments * MSS)) // MSS] += 1
    spared = 1 - probability
    for first, seen in enumerate(count):
        likely = spared**first * (probability if first < segments else 1)
        assert abs(seen - tries * likely) <= 5 * (tries * likely * (1 - likely)) ** 0.5 + 1


def test_what_arrives_while_it_is_aimed_moves_no_aim(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream begins at 100; 10 bytes wait, then 25 more arrive between the two questions."""
    expected, waiting = iter([110, 135, 135]), iter([35, 35])
    monkeypatch.setattr(kernel_filter, "_expects", lambda _: next(expected))
    monkeypatch.setattr(kernel_filter, "unread", lambda _: next(waiting))
    with socket.socket() as sock:
        assert aim(sock, Loss(Way.FROM, What.DATA, beyond=1000)) == 1100
