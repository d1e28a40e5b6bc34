"""The search for the event that spoils its batch. Pure.

A batch that is refused for its content is halved until the bad event stands alone. The search has a
budget, because a gateway that refuses everything must not see its load multiplied.
"""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["Bisection"]

BUDGET_FACTOR: Final = 4  # one bad event costs 2·⌈log₂ n⌉ extra requests; two still fit in the budget


class Bisection:
    """The parts of one batch that are still to be sent, as slices of it, oldest first."""

    def __init__(self, count: int) -> None:
        """Begin with the whole batch of `count` events as one part."""
        self._parts: deque[tuple[int, int]] = deque([(0, count)])
        self._budget = BUDGET_FACTOR * (count - 1).bit_length()

    def next_part(self) -> tuple[int, int] | None:
        """Return start and end of the next part to send, None when none is left."""
        return self._parts.popleft() if self._parts else None

    def split(self, part: tuple[int, int]) -> bool:
        """Put the two halves of a refused part in front; False when the budget is used up."""
        start, end = part
        if self._budget < 2:  # noqa: PLR2004 - a split costs two requests
            return False
        self._budget -= 2
        middle = (start + end + 1) // 2
        self._parts.extendleft([(middle, end), (start, middle)])
        return True
