"""What the commands about dead letters do with a store that is open; each returns the exit code.

Letters go to standard output, what there is to say of them to standard error. A page of letters is in memory
at a time, however many there are.
"""

from __future__ import annotations

import sys
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from aiotracker import DeadLetterStore, EventStore, InvalidDataError
from aiotracker.cli.letter_selection import PAGE, pages
from aiotracker.cli.letter_table import full_text, table
from aiotracker.stores.letter_lines import line_of, record_of_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

    from aiotracker import Clock, Commit, DeadLetter, Lease, Record
    from aiotracker.cli.letter_selection import Selection
    from aiotracker.cli.store_host import CommandHost

__all__ = [
    "FAILED",
    "LetterStore",
    "export_letters",
    "list_letters",
    "opened",
    "purge_letters",
    "replay_file",
    "replay_letters",
    "show_letters",
]

FAILED: Final = 1
COMMIT_SECONDS: Final = 10.0  # a store that takes longer for a page is in trouble
CLOSE_SECONDS: Final = 5.0
MAX_COMPLAINTS: Final = 10  # about lines of a file; more say nothing new


class LetterStore(EventStore, DeadLetterStore, Protocol):
    """An event store that keeps dead letters."""


async def list_letters(
    store: LetterStore, selection: Selection, *, limit: int, max_width: int | None = None
) -> int:
    """Show the oldest letters, a line each."""
    shown = 0
    async with aclosing(pages(store, selection)) as found:
        async for page in found:
            part = page[: limit - shown]
            for line in table(part, is_first=not shown, max_width=max_width):
                print(line)
            shown += len(part)
            if shown == limit:
                break
    total = await store.count_dead_letters()
    if shown < total:
        _say(f"{shown} of {total} dead letters")
    return _found(shown, selection)


async def show_letters(store: LetterStore, selection: Selection) -> int:
    """Show letters in full."""
    shown = 0
    async with aclosing(pages(store, selection)) as found:
        async for page in found:
            for letter in page:
                print(full_text(letter))
            shown += len(page)
    return _found(shown, selection)


async def export_letters(store: LetterStore, selection: Selection, output: BinaryIO) -> int:
    """Write letters as lines of JSON; they stay in the store."""
    written = 0
    async with aclosing(pages(store, selection)) as found:
        async for page in found:
            output.writelines(map(line_of, page))
            written += len(page)
    output.flush()
    _say(f"{written} dead letters exported")
    return _found(written, selection)


async def replay_letters(store: LetterStore, selection: Selection) -> int:
    """Put letters back among the events to be sent."""
    return await _each(store, selection, store.replay, "will be sent again")


async def purge_letters(store: LetterStore, selection: Selection) -> int:
    """Remove letters for good."""
    return await _each(store, selection, store.purge, "are gone for good")


async def _each(
    store: LetterStore,
    selection: Selection,
    act: Callable[[Sequence[DeadLetter]], Awaitable[int]],
    becomes: str,
) -> int:
    done = found_count = 0
    try:
        async with aclosing(pages(store, selection)) as found:
            async for page in found:
                found_count += len(page)
                done += await act(page)
    finally:
        if done:  # said of the pages before one that failed, too
            _say(f"{done} dead letters {becomes}")
    if done < found_count:
        _say(f"{found_count - done} were gone already: somebody else was faster")
    return _found(done, selection)


async def replay_file(store: LetterStore, host: CommandHost, lines: Iterable[bytes], *, name: str) -> int:
    """Put the events of a file of dead letters into a store that is closed, to be sent.

    Args:
        store: where to; it is opened, and closed again.
        host: who uses it.
        lines: of the file.
        name: of the file, for a person.
    """
    bad = 0
    trouble = ""
    async with opened(store, host) as given_up:
        batch = _Batch(store, host.clock)
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                trouble = await batch.put(record_of_line(line))
            except InvalidDataError as error:
                bad += 1
                if bad <= MAX_COMPLAINTS:
                    _say(f"{name}:{number}: {error}")
            if trouble:
                _say(f"stopped at {name}:{number}: {trouble}")
                break
    lost = sum(map(len, given_up))
    _say(f"{batch.count - lost} events of {name} will be sent")
    if lost:
        _say(f"{lost} more could not be stored")
    if bad:
        _say(f"{bad} lines of {name} are no dead letters")
    return FAILED if trouble or bad or lost or not batch.count else 0


class _Batch:
    """Events on their way into a store, a page of them at a time.

    Attributes:
        count: how many were put.
    """

    def __init__(self, store: LetterStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._commits: list[Commit | None] = []
        self.count = 0

    async def put(self, record: Record) -> str:
        """Put one event; return why that is impossible, empty when it is done.

        Raises:
            InvalidDataError: the event is larger than the store takes.
        """
        size = record.size_bytes
        if size > self._store.max_record_bytes:
            rule = f"is larger than the {self._store.max_record_bytes} bytes that the store takes"
            raise InvalidDataError("event", record.data, rule)
        has_room = self._store.reserve(size)
        if not has_room or len(self._commits) == PAGE:
            if not await self._concluded():
                if has_room:
                    self._store.cancel(size)
                return "the store cannot be written now"
            if not has_room and not self._store.reserve(size):
                return "the store is full"
        self._commits.append(self._store.put(record, self._clock.now()))
        self.count += 1
        return ""

    async def _concluded(self) -> bool:
        """Wait until what was put is safe, and tell whether it is."""
        with self._clock.move_on_at(self._clock.now() + COMMIT_SECONDS) as scope:
            for commit in self._commits:
                if commit is not None:
                    await commit.wait()
        self._commits.clear()
        return not scope.cancelled_caught


@asynccontextmanager
async def opened(store: LetterStore, host: CommandHost) -> AsyncIterator[list[Lease]]:
    """Open a store for a block.

    Yields:
        A list that has, when the block is over, what could not be made safe.
    """
    given_up: list[Lease] = []
    await store.open(host)
    try:
        yield given_up
    finally:
        given_up += await store.aclose(host.clock.now() + CLOSE_SECONDS)


def _found(count: int, selection: Selection) -> int:
    """Say what was not found, and return the exit code for so many letters that were."""
    for name in sorted(selection.missing):
        _say(f"no dead letter {name}")
    if not count and not selection.missing:
        _say("no dead letters")
    return 0 if count and not selection.missing else FAILED


def _say(line: str) -> None:
    print(line, file=sys.stderr)
