"""Stands in for a file that cannot be used: answers from memory, and remembers what it owes the file."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from aiotracker.stores.sqlite.requests import Leasing, Opening, Reclaiming, Settling

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Any

    from aiotracker.stores.sqlite.memory import Memory
    from aiotracker.stores.sqlite.news import News
    from aiotracker.stores.sqlite.requests import Request
    from aiotracker.stores.sqlite.transaction import Transaction

__all__ = ["Standby"]

MAX_OWED_LETTERS: Final = 1_000  # records that await a file to become dead letters in


class Standby:
    """Answers what was asked of a file, as well as it can be done without it.

    Attributes:
        leased: records in the file that this process holds.
    """

    def __init__(self, path: Path, memory: Memory, news: News) -> None:
        """Owe nothing.

        Args:
            path: of the file.
            memory: in front of it.
            news: told of what cannot be kept.
        """
        self.leased: int = 0
        self._path = path
        self._memory = memory
        self._news = news
        self._owed: list[Settling | Reclaiming] = []

    @property
    def is_owing(self) -> bool:
        """Whether something was answered that the file does not know of."""
        return bool(self._owed)

    def answer(self, requests: Iterable[Request[Any]]) -> None:
        """Answer requests; what they want of the file is done later."""
        for request in requests:
            match request:
                case Opening():
                    pass
                case Leasing():
                    request.answer = None
                    self.lend(request)
                case Settling():
                    request.answer = len(request.lease)
                    self._owe(request)
                case Reclaiming():
                    request.volatile += self._memory.take_back()
                    request.answer = request.volatile + self.leased
                    self.leased = 0
                    self._owed.append(request)
                case _:
                    request.error = OSError(f"{self._path} cannot be used now")

    def lend(self, leasing: Leasing) -> None:
        """Hand out records from memory."""
        if leasing.answer is None and not leasing.is_abandoned:
            leasing.answer = self._memory.lease(leasing.max_events, leasing.max_bytes)

    def settle(self, transaction: Transaction) -> None:
        """Do what is owed; when it is committed, `settled()` follows."""
        for owed in self._owed:
            owed.perform(transaction)

    def settled(self, leased: int) -> None:
        """Owe nothing any more, and know how many records in the file this process holds."""
        self._owed.clear()
        self.leased = leased

    def _owe(self, settling: Settling) -> None:
        if settling.lease.sequences[0] < 0:  # only from memory: nothing else bounds their number
            settlings = [each for each in self._owed if isinstance(each, Settling)]
            owed = sum([len(each.lease) for each in settlings if each.lease.sequences[0] < 0])
            if owed + len(settling.lease) > MAX_OWED_LETTERS:
                message = "dead letters could not be kept while the file could not be used"
                self._news.say(logging.WARNING, "dead letters", message)
                return
        else:
            self.leased = max(0, self.leased - len(settling.lease))
        self._owed.append(settling)
