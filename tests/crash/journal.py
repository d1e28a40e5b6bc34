"""What a process that will be killed tells of itself, up to its last moment.

A file that is only appended to, a line per fact: a line that was written is there, whatever becomes of the
process. Lines, in the order of a life:

    opening | opened | c 17 | l 18 | r 19 | closing | closed {…}

`c` is an event whose `track()` returned after its commit, `l` one that was accepted and not known to be
committed when it returned, `r` one that was refused. `state {…}` may come at any time between.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

__all__ = ["COMMITTED", "LATE", "REFUSED", "STATE", "Journal", "Life"]

COMMITTED: Final = "c"
LATE: Final = "l"
REFUSED: Final = "r"
STATE: Final = "state"


class Journal:
    """The writing side."""

    def __init__(self, path: str | Path) -> None:
        """Begin, or go on."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def say(self, line: str) -> None:
        """Write a line; it survives this process from here on."""
        os.write(self._file, f"{line}\n".encode())

    def note(self, what: str, number: int) -> None:
        """Write what became of an event."""
        os.write(self._file, b"%s %d\n" % (what.encode(), number))


@dataclass
class Life:
    """The reading side: what a process has told so far.

    Attributes:
        path: of its journal.
        stage: the last stage that it told of; empty before the first.
        events: numbers of its events, by what became of them.
        account: what it told last, of itself.
    """

    path: Path
    stage: str = ""
    events: dict[str, list[int]] = field(default_factory=lambda: {COMMITTED: [], LATE: [], REFUSED: []})
    account: dict[str, Any] = field(default_factory=dict)
    _read: int = 0
    _rest: bytes = b""

    def look(self) -> None:
        """Read what is new."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return
        if size == self._read:
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        self._read += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            what, _, more = line.decode().partition(" ")
            if what in self.events:
                self.events[what].append(int(more))
            else:
                self.stage = self.stage if what == STATE else what
                if more:
                    self.account = json.loads(more)

    @property
    def committed(self) -> list[int]:
        """Events that must not be lost."""
        return self.events[COMMITTED]

    @property
    def count(self) -> int:
        """Events whose fate it told."""
        return sum(map(len, self.events.values()))
