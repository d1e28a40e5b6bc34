"""Events that were given up, kept in a file: for emitters whose store keeps no dead letters.

A callback that writes. Whatever the disk does to it, delivery does not notice: callbacks run in a thread of
their own, and what they raise is logged. Invariant: one notice is one write to the end of the file, so that
lines of several processes never run together.
"""

from __future__ import annotations

import errno
import os
from itertools import accumulate
from threading import Lock
from typing import TYPE_CHECKING, Final

from aiotracker.clock import SystemClock
from aiotracker.delivery.notices import NoticeKind
from aiotracker.errors import ConfigurationError
from aiotracker.stores.letter_lines import letter_line

if TYPE_CHECKING:
    from aiotracker.clock import Clock
    from aiotracker.delivery.notices import Notice

__all__ = ["DeadLetterFile"]

DEFAULT_MAX_BYTES: Final = 64 * 1024 * 1024
FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
MODE: Final = 0o600  # events tell of people
GIVEN_UP: Final = frozenset({NoticeKind.FAILURE, NoticeKind.DROP})


class DeadLetterFile:
    """Writes events that were refused or dropped to a file, one line of JSON each.

        letters = DeadLetterFile("letters.jsonl")
        emitter = Emitter("https://collector.acme.com", on_failure=letters, on_drop=letters)

    Several emitters and processes may write to one file. `aiotracker dead-letters replay --file` puts the
    events of such a file into a store, to be sent after all.

    A full file stays as it is: what comes then is counted as `unwritten` and logged. The first letters of an
    incident tell most, and nobody has looked at them yet, so newer ones must not push them out. Move the file
    away, and writing goes on in a new one: it is opened for every write. A disk that is full, or a folder
    that is not writable, costs the events of that moment and no more.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
        clock: Clock | None = None,
    ) -> None:
        """Describe the file; it is made with the first event that is given up.

        Args:
            path: of the file, readable by its owner only unless it is there already; its folder must exist.
            max_bytes: what would make the file larger than that is not written. Several processes
                that write at the same moment may exceed it by one notice each.
            clock: what time it is; for tests.
        Raises:
            ConfigurationError: the bound is not a positive whole number, or the path is empty.
        """
        if type(max_bytes) is not int or max_bytes < 1:
            raise ConfigurationError("max_bytes", max_bytes, "must be a whole number above 0")
        self._path = os.fspath(path)
        if not self._path:
            raise ConfigurationError("path", path, "must name a file")
        self._max_bytes = max_bytes
        self._clock = clock or SystemClock()
        self._lock = Lock()  # of the counts; callbacks of several emitters run in several threads
        self._written = 0
        self._unwritten = 0

    @property
    def path(self) -> str:
        """The file."""
        return self._path

    @property
    def written(self) -> int:
        """How many events this process wrote."""
        return self._written

    @property
    def unwritten(self) -> int:
        """How many events this process could not write."""
        return self._unwritten

    def __call__(self, notice: Notice) -> None:
        """Write the events of a notice.

        Raises:
            OSError: the file is full or cannot be written; what of it was not written is counted.
            ConfigurationError: the notice is one of events that are not given up.
        """
        if notice.kind not in GIVEN_UP:
            rule = "these events are not given up: a dead letter file belongs to on_failure and on_drop"
            raise ConfigurationError(f"on_{notice.kind}", self._path, rule)
        now_ms = self._clock.wall_ms()
        lines = [
            letter_line(
                record,
                reason=notice.reason,
                detail=notice.detail,
                dropped_ms=now_ms,
                collector=notice.collector,
            )
            for record in notice.records
        ]
        if lines:  # none for an event that must not be seen
            self._append(lines)

    def _append(self, lines: list[bytes]) -> None:
        written = 0
        try:
            file = os.open(self._path, FLAGS, MODE)
            try:
                while written < len(lines):  # once, unless there is no room for all
                    written += self._write(file, lines[written:])
            finally:
                os.close(file)
        finally:
            with self._lock:
                self._written += written
                self._unwritten += len(lines) - written

    def _write(self, file: int, lines: list[bytes]) -> int:
        """Write as many lines as there is room for in one go; return how many, at least one."""
        size = os.fstat(file).st_size
        start = b"" if not size or _ends_a_line(file, size) else b"\n"
        fitting = _fitting(lines, self._max_bytes - size - len(start))
        if not fitting:
            raise OSError(errno.EFBIG, f"would exceed its {self._max_bytes} bytes: move it away", self._path)
        data = start + b"".join(lines[:fitting])
        written = data.count(b"\n", len(start), os.write(file, data))
        if not written:  # it ends within a line, which is written anew should there be room after all
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._path)
        return written


def _ends_a_line(file: int, size: int) -> bool:
    """Tell whether the file ends a line; it does not after a write that a full disk cut off.

    Nor does it in the middle of another process's write. An empty line is the price of that.
    """
    os.lseek(file, size - 1, os.SEEK_SET)
    return os.read(file, 1) == b"\n"


def _fitting(lines: list[bytes], max_bytes: int) -> int:
    """Return how many of the first lines fit in so many bytes."""
    for count, size_bytes in enumerate(accumulate(map(len, lines))):
        if size_bytes > max_bytes:
            return count
    return len(lines)
