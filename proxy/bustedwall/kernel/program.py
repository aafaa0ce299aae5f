"""The program that loses some of what arrives for a socket: it says of each piece how much of it is kept.

A piece may be several segments, which the kernel left together or put together (GSO, GRO), up to 64 KiB.
Where chance decides it decides for each segment of it: those in front of the first one that is lost are
kept, and the peer sends the rest again. A loss can only lower how much is kept, so that several go together.
All segments of a piece but the last are of one size, and no larger than we have told the peer: where that is
not too large, none is; where it is, those in front are, and the last one only if that is long enough, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from bustedwall.kernel import bpf
from bustedwall.kernel.bpf import Do, Require, Step, block, written
from bustedwall.terms.losses import Loss, What

_KEPT, _FRONT = 0, 1
"""What is stored where: how many bytes are kept so far, the header's too; how many are in front of a lost segment."""

_HALF = 0x80000000
"""Numbers that are further on than this are behind: sequence numbers wrap around."""

_PIECE = 1 << 16
"""Bytes that a piece has at most (GSO_LEGACY_MAX_SIZE); where a device was told to make larger ones, chance spares
what is behind twice as many segments."""

_LOAD_HEADER: tuple[Step, ...] = (Do(bpf.LOAD_BYTE, bpf.OFFSET), Do(bpf.SHIFT_RIGHT, 2), Do(bpf.AND, 0x3C))
_LOAD_PAYLOAD: tuple[Step, ...] = (*_LOAD_HEADER, Do(bpf.TO_X), Do(bpf.LOAD_LENGTH), Do(bpf.SUBTRACT_X))
"""How many bytes the piece carries: its length without the header's."""

_DATA: tuple[Step, ...] = (*_LOAD_PAYLOAD, Require(bpf.IF_GREATER, 0))
_NO_DATA: tuple[Step, ...] = (*_LOAD_PAYLOAD, Require(bpf.IF_EQUAL, 0))
_WITH_FIN: tuple[Step, ...] = (Do(bpf.LOAD_BYTE, bpf.FLAGS), Require(bpf.IF_ANY_BIT, bpf.FIN))
_NO_CONTROL: tuple[Step, ...] = (
    Do(bpf.LOAD_BYTE, bpf.FLAGS),
    Require(bpf.IF_ANY_BIT, bpf.FIN | bpf.SYN | bpf.RST, so=False),
)

_LOSE = written(Do(bpf.RETURN, 0))
_KEEP = written(Do(bpf.RETURN, bpf.U32))
_NOTHING_CUT_YET = written(Do(bpf.LOAD_LENGTH), Do(bpf.STORE, _KEPT))
_KEEP_WHAT_IS_LEFT = written(Do(bpf.LOAD_STORED, _KEPT), Do(bpf.RETURN_A))
_KEEP_NO_MORE_THAN_A = block(
    (Do(bpf.TO_X), Do(bpf.LOAD_STORED, _KEPT), Require(bpf.IF_GREATER_THAN_X, 0)), written(Do(bpf.STORE_X, _KEPT))
)


def compiled(losses: Iterable[Loss], numbers: Mapping[Loss, int], segment: int | None) -> bytes:
    """Return the program that loses what any of these means; the order of the losses changes nothing.

    `segment`: how many bytes of data one has, where a piece is several; asked for if
    `of_single_segments`.
    """
    order = sorted(losses, key=str)
    program = b"".join(_tests(loss, numbers.get(loss, 0), segment) for loss in order)
    if any(loss.beyond is not None or loss.drawn_for_each for loss in order):
        return _NOTHING_CUT_YET + program + _KEEP_WHAT_IS_LEFT
    return program + _KEEP


def _tests(loss: Loss, number: int, segment: int | None) -> bytes:
    """Return instructions that end in losing the piece, or lower what is kept of it, or go on behind them."""
    if loss.beyond is not None:
        return _beyond(number)
    if loss.larger_than:
        assert segment is not None, "somebody has to know how long a segment is"
        if segment <= loss.larger_than:
            return b""
    if loss.drawn_for_each:
        assert segment is not None, "somebody has to know how long a segment is"
        empty = block((*_NO_DATA, *_how_likely(loss)), _LOSE) if loss.what is What.ALL and not loss.larger_than else b""
        return empty + _first_lost(loss, segment)
    return block((*_which(loss, number), *_how_large(loss), *_how_likely(loss)), _LOSE)


def _which(loss: Loss, number: int) -> tuple[Step, ...]:
    match loss.what:
        case What.ALL:
            return ()
        case What.DATA:
            return _DATA
        case What.ACKS:
            return (*_NO_CONTROL, *_NO_DATA)
        case What.FIN:
            return _WITH_FIN
        case What.RST:
            return (Do(bpf.LOAD_BYTE, bpf.FLAGS), Require(bpf.IF_ANY_BIT, bpf.RST))
        case What.KEEPALIVES:
            known = (Do(bpf.LOAD_WORD, bpf.SEQ), Require(bpf.IF_EQUAL, number))
            return (*_NO_CONTROL, *known, *_LOAD_PAYLOAD, Require(bpf.IF_GREATER, 1, so=False))


def _beyond(number: int) -> bytes:
    """Return instructions that lose the bytes from this number on, and a FIN behind one of them.

    A piece across the number is cut in front of it. Not one with a FIN, which would follow the cut at
    once: the peer's end would seem to have come; so all of that is lost.
    """
    begins_there = (Do(bpf.LOAD_WORD, bpf.SEQ), Do(bpf.SUBTRACT, number), Require(bpf.IF_AT_LEAST, _HALF, so=False))
    ends_behind = (
        *_LOAD_PAYLOAD,
        Do(bpf.TO_X),
        Do(bpf.LOAD_WORD, bpf.SEQ),
        Do(bpf.ADD_X),
        Do(bpf.SUBTRACT, number),
        Require(bpf.IF_GREATER, 0),
        Require(bpf.IF_AT_LEAST, _HALF, so=False),
    )
    what_is_in_front = written(Do(bpf.TO_X), Do(bpf.LOAD_LENGTH), Do(bpf.SUBTRACT_X))
    return (
        block((*begins_there, *_DATA), _LOSE)
        + block((*_WITH_FIN, *ends_behind), _LOSE)
        + block((*_DATA, *ends_behind), what_is_in_front + _KEEP_NO_MORE_THAN_A)
    )


@lru_cache(maxsize=64)
def _first_lost(loss: Loss, segment: int) -> bytes:
    """Return instructions that draw which segment of a piece is the first that is lost, if any, and cut there.

    As if it was drawn for each until one is lost: that number is geometric, and the bits of a geometric
    number are independent of each other, so each is drawn for itself. A piece with a FIN is not cut, as above.
    Kept, because it takes twice as long to write as the kernel takes to attach it.
    """
    spared = 1 - loss.probability
    bits = (-(-_PIECE // segment)).bit_length()
    at_all = (
        Do(bpf.LOAD_WORD, bpf.RANDOM),
        Require(bpf.IF_AT_LEAST, min(round(spared ** (1 << bits) * 2**32), bpf.U32)),
    )
    number: list[Step] = [Do(bpf.LOAD_X, 0)]
    for bit in range(bits):
        none_of_so_many = spared ** (1 << bit)
        limit = round(none_of_so_many / (1 + none_of_so_many) * 2**31)
        # 1 where the random number, of 31 bits, is below the limit: then the difference is negative.
        drawn = (
            Do(bpf.LOAD_WORD, bpf.RANDOM),
            Do(bpf.SHIFT_RIGHT, 1),
            Do(bpf.SUBTRACT, limit),
            Do(bpf.SHIFT_RIGHT, 31),
        )
        number += (*drawn, Do(bpf.SHIFT_LEFT, bit), Do(bpf.ADD_X), Do(bpf.TO_X))
    in_front = (Do(bpf.FROM_X), Do(bpf.MULTIPLY, segment), Do(bpf.STORE, _FRONT))
    in_the_piece: list[Step] = [*_LOAD_PAYLOAD, Do(bpf.LOAD_X_STORED, _FRONT), Require(bpf.IF_GREATER_THAN_X, 0)]
    if loss.larger_than:  # which the last segment may not be
        in_the_piece += (Do(bpf.SUBTRACT_X), Require(bpf.IF_GREATER, loss.larger_than))
    all_of_it = block(_WITH_FIN, _LOSE) + block((Do(bpf.LOAD_STORED, _FRONT), Require(bpf.IF_EQUAL, 0)), _LOSE)
    what_is_in_front = block((*_LOAD_HEADER, Do(bpf.LOAD_X_STORED, _FRONT), Do(bpf.ADD_X)), b"")
    return block(
        (*_DATA, *_how_large(loss), *at_all, *number, *in_front, *in_the_piece),
        all_of_it + what_is_in_front + _KEEP_NO_MORE_THAN_A,
    )


def _how_large(loss: Loss) -> tuple[Step, ...]:
    return (*_LOAD_PAYLOAD, Require(bpf.IF_GREATER, loss.larger_than)) if loss.larger_than else ()


def _how_likely(loss: Loss) -> tuple[Step, ...]:
    if loss.probability >= 1:
        return ()
    first_spared = min(round(loss.probability * 2**32), bpf.U32)
    return (Do(bpf.LOAD_WORD, bpf.RANDOM), Require(bpf.IF_AT_LEAST, first_spared, so=False))
