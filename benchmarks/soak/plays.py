"""The ways in which the two ends of a flow talk."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from talk import End, Header

Part = Callable[[End, Header], Awaitable[None]]
Sizes = Callable[[random.Random], tuple[int, int]]

TURNS = 5
"""How often the two speak in turn."""

IDLE = 8.0
"""Seconds for which an idle flow says nothing, and for which a deaf end does not read."""

KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class Play:
    """What each of the two does; the client has sent the header before, and the server has read it."""

    name: str
    client: Part
    server: Part
    sizes: Sizes
    weight: int
    whole: bool = True
    """Whether all that is said is to arrive, if no fault is in the way."""
    heavy: bool = False
    """Whether it moves so much that only a few may run at once."""
    mute: bool = False
    """Whether the client says nothing at all, no header either."""


# ---- talking in turn


async def ask(end: End, header: Header) -> None:
    for _ in range(TURNS):
        if not (await end.speak(header.up // TURNS) and await end.hear(header.down // TURNS)):
            break
    end.half_close()
    await end.hear_out()
    end.close()


async def answer(end: End, header: Header) -> None:
    for _ in range(TURNS):
        if not (await end.hear(header.up // TURNS) and await end.speak(header.down // TURNS)):
            break
    await end.hear_out()
    end.close()


async def ask_rarely(end: End, header: Header) -> None:
    await end.speak(header.up // TURNS)
    await end.hear(header.down // TURNS)
    await asyncio.sleep(IDLE)
    for _ in range(TURNS - 1):
        if not (await end.speak(header.up // TURNS) and await end.hear(header.down // TURNS)):
            break
    end.half_close()
    await end.hear_out()
    end.close()


# ---- one after the other, with a FIN between


async def say_all_then_hear(end: End, header: Header) -> None:
    await end.speak(header.up)
    end.half_close()
    await end.hear_out()
    end.close()


async def hear_all_then_say(end: End, header: Header) -> None:
    await end.hear_out()
    await end.speak(header.down)
    end.close()


async def request(end: End, header: Header) -> None:
    await end.speak(header.up)
    await end.hear_out()
    end.close()


async def respond_and_close(end: End, header: Header) -> None:
    await end.hear(header.up)
    await end.speak(header.down)
    end.half_close()
    await end.hear_out()
    end.close()


# ---- both at once


async def client_of_both(end: End, header: Header) -> None:
    await _both(end, header.up)


async def server_of_both(end: End, header: Header) -> None:
    await _both(end, header.down)


async def _both(end: End, count: int) -> None:
    async def say() -> None:
        await end.speak(count)
        end.half_close()

    await asyncio.gather(say(), end.hear_out())
    end.close()


# ---- those who do not read, for a while or at all


async def read_late(end: End, header: Header) -> None:
    await asyncio.sleep(1.0)
    await request(end, header)


async def never_read(end: End, header: Header) -> None:
    await end.speak(header.up)
    await asyncio.sleep(IDLE)
    end.abort()


async def say_until_it_breaks(end: End, header: Header) -> None:
    await end.speak(header.down)
    await end.hear_out()
    end.abort()


async def ask_the_deaf(end: End, header: Header) -> None:
    await end.speak(header.up)
    await end.hear_out()
    end.abort()


async def be_deaf(end: End, _: Header) -> None:
    await asyncio.sleep(IDLE)
    end.abort()


# ---- those who leave


async def leave_in_the_middle(end: End, header: Header) -> None:
    await end.speak(header.up // 2)
    await end.hear(header.down // 3)
    end.abort()


async def be_left(end: End, header: Header) -> None:
    await end.hear(header.up // 2)
    await end.speak(header.down)
    await end.hear_out()
    end.close()


async def throw_out(end: End, header: Header) -> None:
    await end.hear(header.up // 2)
    await end.speak(header.down // 2)
    end.abort()


async def be_thrown_out(end: End, header: Header) -> None:
    await end.speak(header.up)
    await end.hear_out()
    end.close()


async def come_and_go(end: End, _: Header) -> None:
    end.close()


async def come_and_reset(end: End, _: Header) -> None:
    end.abort()


async def nothing(_: End, __: Header) -> None:
    """Play no part: without a header no server gets here."""
    raise AssertionError


def tiny(dice: random.Random) -> tuple[int, int]:
    return TURNS * dice.randint(1, 400), TURNS * dice.randint(1, 4000)


def middle(dice: random.Random) -> tuple[int, int]:
    return dice.randint(1, 300 * KIB), dice.randint(1, 300 * KIB)


def big(dice: random.Random) -> tuple[int, int]:
    return dice.randint(1 * MIB, 12 * MIB), dice.randint(1 * MIB, 12 * MIB)


def long_answer(dice: random.Random) -> tuple[int, int]:
    return dice.randint(1, 400), dice.randint(1 * MIB, 12 * MIB)


def endless_answer(dice: random.Random) -> tuple[int, int]:
    return dice.randint(1, 400), 256 * MIB


def endless_request(_: random.Random) -> tuple[int, int]:
    return 256 * MIB, 0


PLAYS = (
    Play("ask and answer", ask, answer, tiny, 40),
    Play("idle between", ask_rarely, answer, tiny, 2),
    Play("half-close", say_all_then_hear, hear_all_then_say, middle, 12),
    Play("the server ends", request, respond_and_close, middle, 12),
    Play("both at once", client_of_both, server_of_both, middle, 8),
    Play("both at once, much", client_of_both, server_of_both, big, 3, heavy=True),
    Play("a long answer", request, respond_and_close, long_answer, 3, heavy=True),
    Play("read late", read_late, respond_and_close, long_answer, 2, heavy=True),
    Play("the client never reads", never_read, say_until_it_breaks, endless_answer, 1, whole=False, heavy=True),
    Play("the server never reads", ask_the_deaf, be_deaf, endless_request, 1, whole=False, heavy=True),
    Play("the client resets", leave_in_the_middle, be_left, middle, 8, whole=False),
    Play("the server resets", be_thrown_out, throw_out, middle, 8, whole=False),
    Play("come and go", come_and_go, nothing, tiny, 4, whole=False, mute=True),
    Play("come and reset", come_and_reset, nothing, tiny, 4, whole=False, mute=True),
)
