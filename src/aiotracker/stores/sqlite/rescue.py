"""Brings home what waits in a file that was removed, or replaced by another one, while it was open.

Every process that has the old file open does the same with it, in the old file's own transactions, so that
each record is moved by one of them. What is leased is left to its holder, who has it in hand.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aiotracker.stores.sqlite.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiotracker.stores.base import Lease
    from aiotracker.stores.sqlite.file import SQLiteFile
    from aiotracker.stores.sqlite.transaction import Transaction

__all__ = ["Rescue"]

LEASES_AT_ONCE: Final = 10  # in one transaction, so that others have their turn, too
LEASE_EVENTS: Final = 500
LEASE_BYTES: Final = 1024 * 1024
LETTERS_AT_ONCE: Final = 500


class Rescue:
    """A file that is gone from its place, and is not empty yet.

    Attributes:
        events: records that are still to be moved, as far as this process knows.
    """

    def __init__(self, file: SQLiteFile, events: int) -> None:
        """Begin with an open file and what waits in it."""
        self.events: int = events
        self._file = file
        self._source: Transaction | None = None

    def move(self, begin: Callable[[SQLiteFile], Transaction], into: Transaction) -> Trouble | None:
        """Copy some of what is left into another file's transaction, and remove it in one of its own.

        Args:
            begin: begins a transaction.
            into: where the records go; when it is committed, `finish()` follows, else `undo()`.
        Returns:
            Why nothing can be read any more; None when all is well, or another process is at it.
        """
        try:
            source = begin(self._file)
            leases: list[Lease] = []
            while len(leases) < LEASES_AT_ONCE:
                lease = source.lease(LEASE_EVENTS, LEASE_BYTES)
                if lease is None:
                    break
                source.ack(lease)
                leases.append(lease)
            letters = source.give_letters(LETTERS_AT_ONCE)
        except Exception as error:  # noqa: BLE001 - whatever it is, the new file goes on
            self.undo()
            trouble = Trouble.of(error)
            return None if trouble.reason == "locked" else trouble
        for lease in leases:
            into.put([lease])
        into.adopt_letters(letters)
        self._source = source
        return None

    def finish(self) -> bool:
        """Remove what was copied, which is safe now; return whether that was the last of it."""
        source, self._source = self._source, None
        if source is None:
            return False
        is_empty = not source.is_changed
        with suppress(Exception):  # at worst it is moved twice
            self.events = source.finish().events
        if is_empty:
            self.close()
        return is_empty

    def undo(self) -> None:
        """Leave it as it was."""
        self._source = None
        with suppress(Exception):
            self._file.rollback()

    def close(self) -> None:
        """Have done with it."""
        self._file.close()
