"""The file at a path: opened when it is needed, watched, and replaced when it is damaged or gone."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aiotracker.stores.durable import Held
from aiotracker.stores.sqlite.damage import inode_of, set_aside, was_set_aside
from aiotracker.stores.sqlite.file import SQLiteFile
from aiotracker.stores.sqlite.rescue import Rescue

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiotracker.clock import Clock
    from aiotracker.stores.sqlite.news import News
    from aiotracker.stores.sqlite.settings import Settings
    from aiotracker.stores.sqlite.transaction import Transaction
    from aiotracker.stores.sqlite.trouble import Trouble

__all__ = ["Place"]

BUSY_SLICE_SECONDS: Final = 0.05  # SQLite cannot be interrupted while it waits for other processes
NEW_FILE_GAP: Final = 2**20  # more than other processes can have put that this one did not hear of


class Place:
    """Where records are safe, as long as nobody takes it away.

    Attributes:
        held: what is in it, as far as this process knows.
    """

    def __init__(self, settings: Settings, clock: Clock, news: News) -> None:
        """Know nothing of it.

        Args:
            settings: how the file is used.
            clock: of the host.
            news: told of what is lost.
        """
        self.held: Held = Held()
        self._settings = settings
        self._clock = clock
        self._news = news
        self._file: SQLiteFile | None = None
        self._seen: tuple[int, int] | None = None  # what was to be opened
        self._version = -1
        self._unconfirmed = 0  # records that were committed since the file was last seen where it belongs
        self._rescue: Rescue | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is an open file."""
        return self._file is not None

    @property
    def is_moving(self) -> bool:
        """Whether something of a file that is gone is still to be moved into this one."""
        return self._rescue is not None

    def opened(self, *, is_hurried: bool) -> SQLiteFile:
        """Return the file at the path, opened if need be.

        Called in every round, or what is committed to a file that is gone would be lost with it.

        Args:
            is_hurried: there is no time to wait for other processes.
        Raises:
            ConfigurationError: it can never be used.
            sqlite3.Error: it cannot be used now, or is damaged.
        """
        if self._file is not None and not self._file.is_in_place():
            self._leave(self._file)
        if self._file is None:
            slice_seconds = min(BUSY_SLICE_SECONDS, self._settings.busy_seconds)
            self._seen = inode_of(self._settings.path)
            self._file = SQLiteFile.open(
                self._settings.path,
                synchronous=self._settings.synchronous,
                busy_seconds=slice_seconds if is_hurried else self._settings.busy_seconds,
                slice_seconds=slice_seconds,
                now_ms=self._clock.wall_ms(),
                above=self.held.latest_sequence + NEW_FILE_GAP,
            )
            self._version = self._file.version()
        return self._file

    def has_changed(self) -> bool:
        """Look whether others have changed the file, or taken it away."""
        if self._file is None:
            return True
        version, self._version = self._version, self._file.version()
        if self._file.is_in_place():
            self._unconfirmed = 0
            return self._version != version
        self._leave(self._file)
        return True

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def end(self) -> None:
        """Close everything for good."""
        if self._rescue is not None:
            self._rescue.close()
        if self._file is not None:
            self._file.close(for_good=True)

    # -- transactions ---------------------------------------------------------------------------------

    def committed(self, count: int, held: Held) -> Held:
        """Note what came of a transaction; return what there is now.

        Args:
            count: records that were put.
            held: what the file says there is.
        """
        if self._rescue is not None and self._rescue.finish():
            self._rescue = None
        self._unconfirmed = count
        if held.latest_sequence < self.held.latest_sequence:  # a new file, without records so far
            held = replace(held, latest_sequence=self.held.latest_sequence)
        self.held = held
        return held

    def undo(self) -> None:
        """Take back what was done in a transaction."""
        if self._file is not None:
            with suppress(Exception):
                self._file.rollback()
        if self._rescue is not None:
            self._rescue.undo()

    def hide(self) -> Held:
        """Note that nothing can be leased from here for the time being; return what there is now."""
        self.held = replace(
            self.held, fullest_events=0, fullest_bytes=0, oldest_at=None, oldest_sequence=None
        )
        return self.held

    # -- what becomes of files ------------------------------------------------------------------------

    @property
    def _waiting(self) -> int:
        return self.held.events - self.held.leased

    def _leave(self, file: SQLiteFile) -> None:
        """Go on without a file that is no longer where it was."""
        self._file = None
        path = self._settings.path
        if was_set_aside(path, file.inode):
            file.close()  # the process that set it aside has counted what it knew of
            self._news.lose(self._unconfirmed, "the file was damaged, and set aside by another process")
        elif self._rescue is not None:
            file.close()
            why = "the file was removed while what was in the one before was being moved"
            self._news.lose(self._waiting, why)
        else:
            self._rescue = Rescue(file, self._waiting)
            message = f"{path} was removed; what it held goes into a new one"
            self._news.say(logging.WARNING, "moved", message)

    def bring_home(self, begin: Callable[[SQLiteFile], Transaction], into: Transaction) -> None:
        """Move something of a file that is gone.

        Args:
            begin: begins a transaction.
            into: one with the file that is here.
        """
        if self._rescue is not None:
            trouble = self._rescue.move(begin, into)
            if trouble is not None:
                why = f"the file was removed, and cannot be read: {trouble.text}"
                self._news.lose(self._rescue.events, why)
                self._rescue.close()
                self._rescue = None

    def set_aside(self, trouble: Trouble) -> bool:
        """Take a damaged file out of the way of a new one; False when that cannot be done."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
        path = self._settings.path
        try:
            target = set_aside(path, self._seen if file is None else file.inode, self._clock.wall_ms())
        except OSError as error:
            message = f"{path} is damaged and cannot be set aside: {error}"
            self._news.say(logging.ERROR, "damaged", message)
            return False
        if target is not None:
            message = f"{path} is damaged ({trouble.text}) and was set aside as {target.name}"
            self._news.say(logging.ERROR, "damaged", message)
            self._news.lose(self._waiting, f"the file is damaged: {trouble.text}")
        self.held = Held(latest_sequence=self.held.latest_sequence)
        return True
