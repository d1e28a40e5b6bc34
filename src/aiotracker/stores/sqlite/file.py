"""One open SQLite file: its tables, and the few statements that are ever run on it.

Knows no threads and no loop. Every step of a statement lets go of Python's lock and may wait for it to come
back, so whatever there is to read or write is read or written in one step: many rows of an `INSERT`, one
aggregate for a whole batch, one range for a `DELETE`.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import astuple, dataclass
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiotracker.errors import ConfigurationError
from aiotracker.protocol.record import ENCODING_VERSION, Kind, record_bytes
from aiotracker.stores.sqlite.damage import clear, inode_of
from aiotracker.stores.sqlite.spans import HIGHEST, Lane, Rows, Span

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

__all__ = ["DamagedFileError", "Letter", "SQLiteFile", "State"]

APPLICATION_ID: Final = 0x41_69_6F_54  # "AioT", in the header of the file
PAGE_BYTES: Final = 8192
EMPTY_PAGES: Final = 5  # of a file without records: the schema and four tables
SMALL_PAGES: Final = 512  # copied in no time, so that a file may get smaller when it is closed
WAL_PAGES: Final = 512  # after so many the log is copied into the file
CACHE_KIBIBYTES: Final = 4096
NONSENSE_FORMAT: Final = 10_000  # no release will ever write it: the header is damaged
SEQUENCES_PER_MS: Final = 2**20
"""The sequences of a new file begin where no earlier file of this name can have come: a lease of records of
the file before can never be mistaken for one of this file's."""

_HEADER_BYTES: Final = 100
_VERSIONS: Final = slice(18, 20)  # in the header: which SQLite may write it, and read it
_LATEST_VERSION: Final = 2
_APPLICATION_ID: Final = slice(68, 72)
_AROUND: Final = record_bytes(b"")
_CHUNKS: Final = tuple(2**power for power in range(9))  # rows of one INSERT: few texts, each prepared once

_RECORDS: Final = (
    "sequence INTEGER PRIMARY KEY, version INTEGER NOT NULL, put_ms INTEGER NOT NULL, data BLOB NOT NULL"
)
MIGRATIONS: Final = (
    (
        """
        CREATE TABLE state (
            id INTEGER PRIMARY KEY CHECK (id = 1), origin INTEGER NOT NULL, latest INTEGER NOT NULL,
            letters INTEGER NOT NULL, letters_bytes INTEGER NOT NULL,
            ordinary_events INTEGER NOT NULL, ordinary_bytes INTEGER NOT NULL,
            ordinary_cursor INTEGER NOT NULL, ordinary_leases TEXT NOT NULL,
            anonymous_events INTEGER NOT NULL, anonymous_bytes INTEGER NOT NULL,
            anonymous_cursor INTEGER NOT NULL, anonymous_leases TEXT NOT NULL
        )
        """,
        f"CREATE TABLE ordinary ({_RECORDS})",
        f"CREATE TABLE anonymous ({_RECORDS})",
        """
        CREATE TABLE dead_letters (
            id INTEGER PRIMARY KEY, kind TEXT NOT NULL, version INTEGER NOT NULL,
            reason TEXT NOT NULL, detail TEXT NOT NULL,
            put_ms INTEGER NOT NULL, dropped_ms INTEGER NOT NULL, data BLOB NOT NULL
        )
        """,
        "INSERT INTO state VALUES (1, :origin, :origin, 0, 0, 0, 0, 0, '[]', 0, 0, 0, '[]')",
    ),
)
"""What each format adds to the one before; `user_version` counts them."""

_STATE: Final = (
    "SELECT origin, latest, letters, letters_bytes,"
    + ",".join(
        f" {kind}_events, {kind}_bytes, {kind}_cursor, {kind}_leases,"
        f" (SELECT sequence FROM {kind} WHERE sequence > {kind}_cursor ORDER BY sequence LIMIT 1),"
        f" (SELECT put_ms FROM {kind} WHERE sequence > {kind}_cursor ORDER BY sequence LIMIT 1)"
        for kind in Kind
    )
    + " FROM state"
)
_SAVE: Final = "UPDATE state SET latest = ?, letters = ?, letters_bytes = ?, " + ", ".join(
    f"{kind}_events = ?, {kind}_bytes = ?, {kind}_cursor = ?, {kind}_leases = ?" for kind in Kind
)
_PAGES: Final = "SELECT page_count - freelist_count, page_count FROM pragma_page_count, pragma_freelist_count"


Letter = tuple[int, bytes, int, bytes, bytes, int, int, bytes]
"""Id, kind, version, reason, detail, times of putting and dropping in milliseconds, and data."""


class DamagedFileError(Exception):
    """What the file says makes no sense."""


@dataclass(slots=True)
class State:
    """The file's only row of accounts: nothing is ever counted.

    Attributes:
        origin: sequences of this file are above it.
        latest: the last sequence that was given out, to a record or a dead letter.
        letters: dead letters.
        letters_bytes: bytes of their data.
        lanes: the records of each kind.
    """

    origin: int
    latest: int
    letters: int
    letters_bytes: int
    lanes: dict[Kind, Lane]


class SQLiteFile:
    """An open file."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """Wrap a connection; see `open()`."""
        self._path = path
        self._connection = connection
        self._execute = connection.execute
        self._inode = inode_of(path)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        synchronous: str,
        busy_seconds: float,
        slice_seconds: float,
        now_ms: int,
        above: int,
    ) -> SQLiteFile:
        """Open a file, and bring it to this format.

        Args:
            path: of the file, which is created when there is none.
            synchronous: of SQLite, `normal` or `full`.
            busy_seconds: how long opening waits while another process writes.
            slice_seconds: how long anything later does.
            now_ms: milliseconds since 1970.
            above: what the sequences of a new file are to be above.
        Raises:
            ConfigurationError: it is a folder, or the file belongs to a newer release or to something else.
            sqlite3.Error: the file cannot be used now, or is damaged.
        """
        import sqlite3

        if os.path.isdir(path):  # noqa: PTH112 - which answers where it may not look, too
            raise ConfigurationError("path", str(path), "is a folder; name a file in it")
        clear(path)
        connection = sqlite3.connect(
            path, timeout=busy_seconds, isolation_level=None, check_same_thread=False
        )
        try:
            connection.text_factory = bytes
            _examine(connection, path)
            for pragma in (
                f"page_size = {PAGE_BYTES}",
                "journal_mode = WAL",
                f"synchronous = {synchronous}",
                f"wal_autocheckpoint = {WAL_PAGES}",
                f"journal_size_limit = {WAL_PAGES * PAGE_BYTES}",
                f"cache_size = -{CACHE_KIBIBYTES}",
                "secure_delete = OFF",
            ):
                connection.execute(f"PRAGMA {pragma}").close()
            _migrate(connection, max(now_ms * SEQUENCES_PER_MS, above))
            file = cls(path, connection)
            file.verify()
            connection.execute(f"PRAGMA busy_timeout = {round(slice_seconds * 1000)}").close()
        except BaseException:
            connection.close()
            raise
        return file

    def verify(self) -> None:
        """Compare the accounts with the size of the file, as far as that costs nothing.

        Raises:
            DamagedFileError: they cannot be true, and a store that believed them would be full for ever.
        """
        state = self.state()
        used, pages = self._execute(_PAGES).fetchone()
        log = Path(f"{self._path}-wal")
        room = (log.stat().st_size if log.exists() else 0) + self._path.stat().st_size
        is_true = 0 <= used <= pages and pages * PAGE_BYTES <= room
        is_true &= 0 <= state.letters <= state.letters_bytes <= room
        for lane in state.lanes.values():
            is_true &= 0 <= lane.leased_events <= lane.events
            is_true &= lane.events * _AROUND <= lane.size_bytes <= lane.events * _AROUND + room
            is_true &= lane.waiting_bytes >= 0 and lane.cursor <= state.latest
        if not is_true or not state.origin <= state.latest < HIGHEST // 2:
            raise DamagedFileError("the accounts cannot be true")

    def is_in_place(self) -> bool:
        """Tell whether the file at the path is still the one that is open."""
        return inode_of(self._path) == self._inode

    @property
    def inode(self) -> tuple[int, int] | None:
        """What tells the file from all others."""
        return self._inode

    def version(self) -> int:
        """Return a number that changes when another process changed the file."""
        return self._number("PRAGMA data_version")

    def used_bytes(self) -> int:
        """Return how much of the file is in use, beyond what an empty one has."""
        return max(0, self._number(_PAGES) - EMPTY_PAGES) * PAGE_BYTES

    def close(self, *, for_good: bool = False) -> None:
        """Close it; for good: with an empty log, and without the pages of what is gone."""
        import sqlite3

        with suppress(sqlite3.Error):  # nothing is lost by it
            self.rollback()
            if for_good:
                used, pages = self._execute(_PAGES).fetchone()
                if used < SMALL_PAGES < pages // 2:
                    self._execute("VACUUM").close()
                self._execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        with suppress(sqlite3.Error):
            self._connection.close()

    # -- transactions ---------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin to change the file; nobody else can meanwhile."""
        self._execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make it safe."""
        self._execute("COMMIT")

    def rollback(self) -> None:
        """Undo it."""
        if self._connection.in_transaction:
            self._execute("ROLLBACK")

    def state(self) -> State:
        """Return the accounts.

        Raises:
            DamagedFileError: they make no sense.
        """
        row = self._execute(_STATE).fetchone()
        try:
            origin, latest, letters, letters_bytes, *rest = row
            lanes = {}
            for kind in Kind:
                events, size_bytes, cursor, spans, head, put_ms, *rest = rest
                lanes[kind] = Lane(
                    int(events),
                    int(size_bytes),
                    int(cursor),
                    None if head is None else (int(head), int(put_ms)),
                    [_span(*span) for span in json.loads(spans)] if spans != b"[]" else (),
                )
            return State(int(origin), int(latest), int(letters), int(letters_bytes), lanes)
        except (TypeError, ValueError) as error:
            raise DamagedFileError("the accounts make no sense") from error

    def save(self, state: State) -> None:
        """Write the accounts."""
        values: list[object] = [state.latest, state.letters, state.letters_bytes]
        for lane in state.lanes.values():
            spans = json.dumps([astuple(span) for span in lane.spans]) if lane.spans else "[]"
            values += [lane.events, lane.size_bytes, lane.cursor, spans]
        self._execute(_SAVE, values)

    # -- records --------------------------------------------------------------------------------------

    def insert(self, kind: Kind, rows: Rows, data: Sequence[bytes]) -> None:
        """Add records at the end."""
        start = 0
        while start < len(data):
            rest = len(data) - start
            chunk = next((chunk for chunk in _CHUNKS if chunk >= rest), _CHUNKS[-1])
            some = slice(start, start + chunk)
            values = list(
                chain.from_iterable(zip(rows.sequences[some], rows.put_ms[some], data[some], strict=True))
            )
            values += [None] * (3 * chunk - len(values))
            self._execute(_insertion(kind, chunk), values)
            start += chunk

    def rows(self, kind: Kind, first: int, last: int, limit: int) -> Rows:
        """Return what is known of the oldest records between two sequences, without reading their bytes."""
        found = self._execute(
            "SELECT group_concat(sequence), group_concat(put_ms), group_concat(length(data)) FROM"
            f" (SELECT sequence, put_ms, data FROM {kind} WHERE sequence BETWEEN ? AND ?"
            " ORDER BY sequence LIMIT ?)",
            (first, last, limit),
        ).fetchone()
        if found[0] is None:
            return Rows((), (), ())
        sequences, put_ms, lengths = map(_numbers, found)
        if not len(sequences) == len(put_ms) == len(lengths):
            raise DamagedFileError("records lack something")
        if sequences != sorted(sequences):  # no SQLite does that, and none promises not to
            rows = sorted(zip(sequences, put_ms, lengths, strict=True))
            sequences, put_ms, lengths = ([row[column] for row in rows] for column in range(3))
        if not first <= sequences[0] <= sequences[-1] <= last or len({*sequences}) < len(sequences):
            raise DamagedFileError("records are out of order")
        return Rows(sequences, put_ms, [length + _AROUND for length in lengths])

    def data(self, kind: Kind, first: int, last: int) -> list[bytes]:
        """Return the bytes of all records between two sequences, oldest first."""
        numbers, lengths, joined = self._execute(
            "SELECT group_concat(sequence), group_concat(length(data)), group_concat(data, '') FROM"
            f" (SELECT sequence, data FROM {kind} WHERE sequence BETWEEN ? AND ? ORDER BY sequence)",
            (first, last),
        ).fetchone()
        if numbers is None:
            return []
        sequences = _numbers(numbers)
        ends = list(accumulate(_numbers(lengths), initial=0))
        if ends[-1] != len(joined) or len(ends) != len(sequences) + 1:
            raise DamagedFileError("records are not as long as they were")
        data = [joined[start:end] for start, end in pairwise(ends)]
        if sequences != sorted(sequences):
            data = [each for _, each in sorted(zip(sequences, data, strict=True))]
        return data

    def delete(self, kind: Kind, first: int, last: int) -> None:
        """Remove all records between two sequences."""
        self._execute(f"DELETE FROM {kind} WHERE sequence BETWEEN ? AND ?", (first, last))

    # -- dead letters ---------------------------------------------------------------------------------

    def bury(
        self, kind: Kind, first: int, last: int, *, above: int, reason: str, detail: str, now_ms: int
    ) -> None:
        """Copy the records between two sequences to the dead letters, with ids from `above + 1` on."""
        self._execute(
            f"INSERT INTO dead_letters SELECT ? + sequence - ?, '{kind}', version, ?, ?, put_ms, ?, data"
            f" FROM {kind} WHERE sequence BETWEEN ? AND ? ORDER BY sequence",
            (above + 1, first, reason, detail, now_ms, first, last),
        )

    def letters(self, after: int, limit: int) -> list[Letter]:
        """Return the oldest letters above an id."""
        return self._execute(
            "SELECT id, kind, version, reason, detail, put_ms, dropped_ms, data FROM dead_letters"
            " WHERE id > ? ORDER BY id LIMIT ?",
            (after, limit),
        ).fetchall()

    def add_letters(self, letters: Sequence[Letter]) -> None:
        """Add letters, as `letters()` returns them."""
        self._connection.executemany("INSERT INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, ?, ?)", letters)

    def known_letters(self, ids: Sequence[int]) -> list[tuple[int, bytes, int]]:
        """Return id, kind and bytes of those letters that there are, in their order."""
        found: list[tuple[int, bytes, int]] = []
        for start in range(0, len(ids), _CHUNKS[-1]):
            some = ids[start : start + _CHUNKS[-1]]
            found += self._execute(
                "SELECT id, kind, length(data) FROM dead_letters WHERE id IN"
                f" ({','.join('?' * len(some))}) ORDER BY id",
                some,
            ).fetchall()
        return sorted(found)

    def oldest_letters(self, limit: int) -> tuple[int, int, int]:
        """Return count, bytes and highest id of the oldest letters."""
        row = self._execute(
            "SELECT count(*), coalesce(sum(length(data)), 0), coalesce(max(id), 0) FROM"
            " (SELECT id, data FROM dead_letters ORDER BY id LIMIT ?)",
            (limit,),
        ).fetchone()
        return row[0], row[1], row[2]

    def revive(self, kind: Kind, numbers: Sequence[tuple[int, int]], now_ms: int) -> None:
        """Copy letters to the records, each from an id to a sequence."""
        self._connection.executemany(
            f"INSERT INTO {kind} SELECT ?, version, ?, data FROM dead_letters WHERE id = ?",
            [(sequence, now_ms, letter) for letter, sequence in numbers],
        )

    def remove_letters(self, ids: Sequence[int]) -> None:
        """Remove letters."""
        self._connection.executemany("DELETE FROM dead_letters WHERE id = ?", [(letter,) for letter in ids])

    def remove_letters_until(self, last: int) -> None:
        """Remove all letters up to an id."""
        self._execute("DELETE FROM dead_letters WHERE id <= ?", (last,))

    def _number(self, statement: str) -> int:
        return int(self._execute(statement).fetchone()[0])


def _numbers(joined: bytes) -> list[int]:
    try:
        return list(map(int, joined.split(b",")))
    except ValueError as error:
        raise DamagedFileError("numbers are no numbers") from error


def _span(*values: object) -> Span:
    *numbers, holder, until_ms, lease_ms = values
    first, last, events, size_bytes, put_ms = map(_whole, numbers)
    if not isinstance(holder, str) or not 0 < events <= last - first + 1:
        raise ValueError("no lease")
    return Span(first, last, events, size_bytes, put_ms, holder, _whole(until_ms), _whole(lease_ms))


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError("no whole number")
    return value


def _insertion(kind: Kind, count: int) -> str:
    rows = ",".join([f"(?,{ENCODING_VERSION},?,?)"] * count)
    return f"INSERT INTO {kind} SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL"


def _examine(connection: sqlite3.Connection, path: Path) -> None:
    """Raise where the file is not one of ours, before anything is written to it."""
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if (
        header[_APPLICATION_ID] == APPLICATION_ID.to_bytes(4, "big")
        and max(header[_VERSIONS]) > _LATEST_VERSION
    ):
        raise DamagedFileError("the header is damaged")  # to SQLite it is a file that it may not write
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if not names:
        return
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID and not {b"state", b"ordinary", b"anonymous"} <= names:
        raise ConfigurationError("path", str(path), "is a database of another application; name another file")
    if len(MIGRATIONS) < version < NONSENSE_FORMAT:
        raise ConfigurationError(
            "path", str(path), f"was written by a newer aiotracker (format {version}); install that one"
        )


def _migrate(connection: sqlite3.Connection, origin: int) -> None:
    """Bring a file to this format, each step in one transaction; another process may be doing the same."""
    while True:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == len(MIGRATIONS):
            return
        if not 0 <= version < len(MIGRATIONS):
            raise DamagedFileError(f"no file has format {version}")
        connection.execute("BEGIN IMMEDIATE")
        try:
            if connection.execute("PRAGMA user_version").fetchone() == (version,):
                for statement in MIGRATIONS[version]:
                    connection.execute(statement, {"origin": origin} if ":origin" in statement else {})
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
