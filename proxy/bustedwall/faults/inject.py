"""`inject`: bytes that nobody on the other side has sent."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from bustedwall.faults.fault import Damage, Fault, Page, Shared
from bustedwall.terms.dice import Dice
from bustedwall.terms.leg import Leg

_MOST = 4096
"""Bytes: what any new socket's buffer takes at once, even before there is a server whose bytes could wait behind it."""


Text = Annotated[
    str, WithJsonSchema({"type": "string", "pattern": r"^[\s\S]+$", "title": "a text", "examples": ["QUIT"]})
]
Hexadecimal = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^[0-9A-Fa-f\s]+$",
            "title": "pairs of hexadecimal digits",
            "examples": ["15 03 03 00 02 02 50"],
        }
    ),
]


class InjectFault(Fault):
    """Send bytes of our own to one side."""

    word: ClassVar[str] = "inject"
    value: ClassVar[str] = "text"
    lossless: ClassVar[bool] = False
    page: ClassVar[Page] = Page(
        summary="Send bytes of our own to one side, such as the error that comes before a close.",
        examples=(
            'inject: {text: "-ERR max number of clients reached\\r\\n", to: client}',
            "inject: {hex: 15 03 03 00 02 02 50, to: client}",
            "inject: QUIT to server",
        ),
        wire="The bytes as data of this leg, behind what has passed so far. What is still held, by a stage or at an "
        "offset, comes behind them.",
        client="recv gives them as if the server had sent them, with `to: client`.",
        server="The same, with `to: server`.",
        healing="",
        faithful="exact: a box that answers in the server's place, or writes into the stream, does it so. The other "
        "side has not sent them and does not know; where two streams are compared they differ.",
        source="the byte stream of RFC 9293 §3.4",
    )

    text: Text | None = None
    """The bytes, as UTF-8; up to 4096 of them."""
    hex: Hexadecimal | None = None
    """The bytes in hexadecimal, with or without spaces, where they are no text; instead of `text`."""
    leg: Annotated[Leg, Field(alias="to")]
    """Who gets them."""

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if (self.text is None) is (self.hex is None):
            raise PydanticCustomError("inject", "inject has exactly one of 'text' and 'hex'")
        try:
            count = len(self._bytes())
        except ValueError:
            raise PydanticCustomError("inject", "'hex' is pairs of hexadecimal digits, as in '15 03 03'") from None
        if not 0 < count <= _MOST:
            raise PydanticCustomError("inject", "1 to {most} bytes, not {count}", {"most": _MOST, "count": count})
        return self

    def _bytes(self) -> bytes:
        return (self.text or "").encode() if self.hex is None else bytes.fromhex(self.hex)

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return the bytes, for their leg."""
        return Damage(injected={self.leg: self._bytes()})
