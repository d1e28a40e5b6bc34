"""The largest body that a destination takes: configured, or learned from a 413. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from aiotracker.protocol.envelope import ENVELOPE_BYTES

__all__ = ["ByteLimit", "after_clean", "after_too_large"]

GROWTH: Final = 1.25
CLEAN_BATCHES: Final = 50  # delivered in a row before the limit grows


@dataclass(frozen=True, slots=True)
class ByteLimit:
    """What a body may have.

    Attributes:
        configured: bytes, as the user set it; never exceeded.
        learned: bytes, what the destination took; None while it takes everything.
        clean: batches delivered since the limit was learned or grew.
        is_learning: True from a 413 to the next success: one sender, to find out step by step.
    """

    configured: int
    learned: int | None = None
    clean: int = 0
    is_learning: bool = False

    @property
    def current(self) -> int:
        """Bytes that the next body may have."""
        return self.configured if self.learned is None else self.learned


def after_too_large(limit: ByteLimit, body_bytes: int) -> ByteLimit:
    """Return the limit after a body was too large: what half of its events need."""
    events = max(0, body_bytes - ENVELOPE_BYTES)
    half = ENVELOPE_BYTES + (events + 1) // 2
    return replace(limit, learned=min(half, limit.current), clean=0, is_learning=True)


def after_clean(limit: ByteLimit) -> ByteLimit:
    """Return the limit after a delivered batch: a quarter more after every 50."""
    if limit.learned is None:
        return limit
    if limit.clean + 1 < CLEAN_BATCHES:
        return replace(limit, clean=limit.clean + 1, is_learning=False)
    grown = int(limit.learned * GROWTH) + 1
    if grown >= limit.configured:
        return ByteLimit(limit.configured)
    return replace(limit, learned=grown, clean=0, is_learning=False)
