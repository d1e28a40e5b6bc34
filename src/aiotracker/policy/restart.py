"""When a crashed engine starts again, and when it counts as failing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["Crashes", "after_crash"]

WINDOW: Final = 60.0  # seconds
FAILING_CRASHES: Final = 3  # within the window
BASE_DELAY: Final = 0.1  # seconds
MAX_DELAY: Final = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Crashes:
    """The crashes of an engine.

    Attributes:
        moments: clock seconds of those within the last minute.
    """

    moments: tuple[float, ...] = ()

    def is_failing(self, now: float) -> bool:
        """Tell whether the engine crashes again and again: three times within a minute."""
        return sum(now - moment < WINDOW for moment in self.moments) >= FAILING_CRASHES

    @property
    def delay(self) -> float:
        """Seconds to wait before the next start."""
        return float(min(MAX_DELAY, BASE_DELAY * 4 ** (len(self.moments) - 1)))


def after_crash(crashes: Crashes, now: float) -> Crashes:
    """Return the crashes with one more, those older than a minute forgotten."""
    return Crashes((*(moment for moment in crashes.moments if now - moment < WINDOW), now))
