"""What can go wrong with a file, and what that means: one table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from aiotracker.errors import ConfigurationError
from aiotracker.stores.sqlite.file import DamagedFileError

__all__ = ["Trouble"]

_FULL: Final = 13
_REASONS: Final = {
    3: ("permission", "no permission"),  # SQLITE_PERM
    5: ("locked", "another process keeps it locked"),  # SQLITE_BUSY
    6: ("locked", "another process keeps it locked"),  # SQLITE_LOCKED
    7: ("memory", "no memory"),  # SQLITE_NOMEM
    8: ("read-only", "it cannot be written"),  # SQLITE_READONLY
    10: ("input/output", "reading or writing failed"),  # SQLITE_IOERR
    _FULL: ("disk full", "the disk is full"),
    14: (
        "cannot open",
        "it cannot be opened; is its folder there, and may it be written?",
    ),  # SQLITE_CANTOPEN
    23: ("permission", "no permission"),  # SQLITE_AUTH
}
"""By SQLite's primary result code: a reason for the log, and what to tell a person."""

_DAMAGE: Final = frozenset({11, 18, 19, 20, 24, 26})
"""SQLITE_CORRUPT, _TOOBIG, _CONSTRAINT, _MISMATCH, _FORMAT, _NOTADB: not of our making in a sound file.

Too big is a gigabyte, which no lease comes near.
"""
_DAMAGED_SCHEMA: Final = re.compile(
    "no such (table|column)|unsupported file format|has \\d+ columns|text encoding"
)
"""What SQLite says, under no code of its own, of a header or a schema that is damaged."""
_CONNECTED: Final = frozenset({5, 6, 7, _FULL})
"""What does not concern the connection, which can be used again."""
_ROOM: Final = frozenset({7, 10, _FULL})
"""What may concern only something as large as a group of records."""

_PRIMARY: Final = 0xFF  # of an extended result code


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a round failed.

    Attributes:
        reason: from a closed set, for the log.
        text: what happened, for a person.
        error: whose traceback helps; None where the text says all.
        is_damage: the file is damaged, and will be as long as it is there.
        needs_opening: the file is to be closed and opened again.
        concerns_room: a smaller transaction may work.
    """

    reason: str
    text: str
    error: BaseException | None = None
    is_damage: bool = False
    needs_opening: bool = True
    concerns_room: bool = False

    @property
    def is_known(self) -> bool:
        """Whether it is the world's trouble, and no defect."""
        return self.error is None

    @classmethod
    def of(cls, error: Exception) -> Trouble:
        """Return what an error means."""
        if isinstance(error, DamagedFileError | OverflowError | UnicodeDecodeError):
            return cls("damaged", str(error), is_damage=True)
        if isinstance(error, ConfigurationError):
            return cls("other file", error.rule)
        if isinstance(error, OSError):
            return cls("permission" if isinstance(error, PermissionError) else "input/output", str(error))
        extended = getattr(error, "sqlite_errorcode", None)
        if extended is None:
            return cls("other", f"{type(error).__name__}: {error}", error)
        code = extended & _PRIMARY
        if code in _DAMAGE or _DAMAGED_SCHEMA.search(str(error)):
            return cls("damaged", str(error), is_damage=True)
        reason, text = _REASONS.get(code, ("other", str(error)))
        return cls(
            reason,
            text,
            None if code in _REASONS else error,
            needs_opening=code not in _CONNECTED,
            concerns_room=code in _ROOM,
        )
