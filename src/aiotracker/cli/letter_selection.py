"""Which dead letters a command is about, and a walk over them that holds one page at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aiotracker import DeadLetter, DeadLetterStore

__all__ = ["PAGE", "Selection", "pages"]

EVENT_ID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
PAGE: Final = 200  # letters in memory at a time; each has at most the bytes of a request


@dataclass
class Selection:
    """Which letters, and which of those that were named have been found.

    Attributes:
        names: ids of letters or of their events; all letters when empty.
        reason: only those that were dropped for it.
        before_ms: only those that were dropped before it, in milliseconds since 1970.
        missing: names that no letter had so far.
    """

    names: frozenset[str] = frozenset()
    reason: str | None = None
    before_ms: float | None = None
    missing: set[str] = field(init=False)

    def __post_init__(self) -> None:
        """Have everything yet to find."""
        self.missing = set(self.names)

    @property
    def is_complete(self) -> bool:
        """Whether no other letter can be meant; of one event there may be several letters."""
        return bool(self.names) and not self.missing and not any(map(EVENT_ID.fullmatch, self.names))

    def takes(self, letter: DeadLetter) -> bool:
        """Tell whether a letter is meant."""
        if self.names:
            found = self.names & {letter.letter_id, letter.record.event_id}
            self.missing -= found
            if not found:
                return False
        return self.reason in (None, letter.reason) and (
            self.before_ms is None or letter.dropped_ms < self.before_ms
        )


async def pages(store: DeadLetterStore, selection: Selection) -> AsyncGenerator[list[DeadLetter]]:
    """Yield the letters that are meant, oldest first, a page at a time.

    Only as many letters are looked at as there were at the beginning: those that are dropped meanwhile, such
    as the ones that were replayed and refused again, do not make it endless.
    """
    left = await store.count_dead_letters()
    after = ""
    while left > 0:
        page = await store.dead_letters(after=after, limit=min(left, PAGE))
        if not page:
            return
        left -= len(page)
        after = page[-1].letter_id
        chosen = [letter for letter in page if selection.takes(letter)]
        if chosen:
            yield chosen
        if selection.is_complete:
            return
