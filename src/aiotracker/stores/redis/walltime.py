"""Clock seconds of this process and milliseconds since 1970, which are what machines have in common."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiotracker.clock import Clock

__all__ = ["WallTime"]

JUMP_MS: Final = 100  # between two clocks: less is jitter, which is not to move what was put


class WallTime:
    """Turns one into the other."""

    def __init__(self, clock: Clock) -> None:
        """Begin without knowing how far they are apart."""
        self._clock = clock
        self._offset = math.nan  # milliseconds from the clock to the wall clock

    def to_wall_ms(self, moment: float) -> int:
        """Return the milliseconds since 1970 of a moment in clock seconds."""
        return round(moment * 1000 + self._offset_ms())

    def to_clock(self, wall_ms: int) -> float:
        """Return the clock seconds of a moment in milliseconds since 1970; not later than now."""
        # Another machine's clock may be ahead.
        return min((wall_ms - self._offset_ms()) / 1000, self._clock.now())

    def _offset_ms(self) -> float:
        """Return what makes wall clock milliseconds of clock seconds."""
        offset = self._clock.wall_ms() - self._clock.now() * 1000
        if not abs(offset - self._offset) < JUMP_MS:
            self._offset = offset
        return self._offset
