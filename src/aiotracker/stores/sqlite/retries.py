"""When to try again what could not be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiotracker.clock import Clock

__all__ = ["Retries"]

MIN_BACKOFF_SECONDS: Final = 0.1
MAX_BACKOFF_SECONDS: Final = 5.0


class Retries:
    """The pauses between attempts on a file that is in trouble.

    Attributes:
        is_in_trouble: whether the last group could not be committed, and none has been since.
        seconds: the pause that the last failure brought; 0 without trouble.
    """

    def __init__(self, clock: Clock) -> None:
        """Be without trouble."""
        self.is_in_trouble: bool = False
        self.seconds: float = 0.0
        self._clock = clock
        self._at = 0.0  # nothing is tried before
        self._group_at = 0.0  # no group is tried before

    @property
    def wait(self) -> float:
        """Seconds before anything may be tried."""
        return max(0.0, self._at - self._clock.now())

    @property
    def group_wait(self) -> float:
        """Seconds before a group may be tried."""
        return max(0.0, self._group_at - self._clock.now())

    def back_off(self) -> float:
        """Return a longer pause than the last."""
        self.seconds = min(MAX_BACKOFF_SECONDS, max(MIN_BACKOFF_SECONDS, 2 * self.seconds))
        return self.seconds

    def failed(self, *, is_group_alone: bool) -> None:
        """Note a failure; of the group alone when the rest may work without it."""
        self.is_in_trouble = True
        again_at = self._clock.now() + self.back_off()
        if is_group_alone:
            self._group_at = again_at
        else:
            self._at = again_at

    def worked(self, *, has_group: bool) -> bool:
        """Note a success; return whether it was the end of trouble, which it is not without the group."""
        is_end = self.is_in_trouble and (has_group or not self.group_wait)
        if is_end:
            self.is_in_trouble = False
            self.seconds = 0.0
        return is_end
