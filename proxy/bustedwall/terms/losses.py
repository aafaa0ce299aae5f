"""What the kernel is told to lose on one leg."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Way(Enum):
    """Which way the lost segments travel, seen from us."""

    FROM = "from"
    """What the peer of the leg sent never reaches us."""
    TO = "to"
    """What we send never reaches the peer of the leg."""

    __hash__ = object.__hash__  # members are single; Enum's own hash is a Python call


class What(Enum):
    """Which segments are lost."""

    ALL = "all"
    """Every segment: data, ACK, FIN and RST."""
    DATA = "data"
    """Those that carry bytes, with the ACK, and the FIN, that they carry too."""
    ACKS = "acks"
    """Those that carry nothing but an ACK; probes of a closed window and keepalives are such."""
    FIN = "fin"
    """Those with a FIN, and the bytes that they carry too."""
    RST = "rst"
    """Those with a RST."""
    KEEPALIVES = "keepalives"
    """Those that carry nothing, or one byte, that was received before (RFC 9293 §3.8.4)."""

    __hash__ = object.__hash__  # as above


@dataclass(frozen=True, slots=True)
class Loss:
    """One kind of loss on one leg; the losses of a leg are a set, so arming twice is arming once."""

    way: Way
    what: What = What.ALL
    larger_than: int = 0
    """Bytes: a segment that carries so many, or fewer, is spared. Only of what arrives, and 0 spares nothing."""
    probability: float = 1.0
    """How likely each of these segments is lost; more than 0, at most 1. Only of what arrives.

    What comes behind a lost one in the same piece is lost with it (`kernel.program`)."""
    beyond: int | None = None
    """Only of data that arrives: spare so many bytes, from what we have read when it takes hold."""
    rejected: bool = False
    """Only of all that arrives: each of these segments is answered by a bare RST."""

    @property
    def aimed(self) -> bool:
        """Tell whether it means segments by where they are in the stream."""
        return self.what is What.KEEPALIVES or self.beyond is not None

    @property
    def drawn_for_each(self) -> bool:
        """Tell whether chance decides about data, which may come as several segments at once."""
        return self.probability < 1 and self.what in (What.ALL, What.DATA)

    @property
    def of_single_segments(self) -> bool:
        """Tell whether it depends on how the data of several segments, which come at once, is cut into them."""
        return self.drawn_for_each or self.larger_than > 0

    @property
    def whole(self) -> bool:
        """Tell whether every one of these segments is lost."""
        return not self.larger_than and self.probability >= 1 and self.beyond is None

    @property
    def muted(self) -> bool:
        """Tell whether it is our bare ACKs that are lost, and our data is not."""
        return self.way is Way.TO and self.what is What.ACKS

    @property
    def selective(self) -> bool:
        """Tell whether some segments of this way are spared."""
        return self.what is not What.ALL or not self.whole

    def __str__(self) -> str:
        words = [self.what.value, self.way.value]
        if self.larger_than:
            words.append(f"larger_than {self.larger_than}B")
        if self.probability < 1:
            words.append(f"probability {self.probability * 100:.6g}%")
        if self.beyond is not None:
            words.append(f"beyond {self.beyond}B")
        if self.rejected:
            words.append("rejected")
        return " ".join(words)


Losses = frozenset[Loss]

NO_LOSS: Losses = frozenset()
