"""Events in an SQLite file: durable, on one machine, for one process or several."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from aiotracker.clock import SystemClock
from aiotracker.errors import ConfigurationError
from aiotracker.policy.reasons import DropReason
from aiotracker.protocol.record import Kind, Record
from aiotracker.runtime import current_loop, import_once
from aiotracker.stores.base import CLOSE_GRACE_SECONDS, Lease
from aiotracker.stores.dead_letters import DeadLetter
from aiotracker.stores.durable import EVERYTHING, DurableStore, Group, Held
from aiotracker.stores.memory import DEFAULT_MAX_BYTES, DEFAULT_MAX_EVENTS
from aiotracker.stores.sqlite.memory import Memory, Permit
from aiotracker.stores.sqlite.requests import Ask, Deed, Ending, Leasing, Opening, Reclaiming, Settling
from aiotracker.stores.sqlite.settings import Bounds, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiotracker.runtime import Loop
    from aiotracker.stores.base import StoreHost
    from aiotracker.stores.sqlite.requests import Request
    from aiotracker.stores.sqlite.transaction import Transaction
    from aiotracker.stores.sqlite.writer import Writer

__all__ = ["SQLiteStore"]

T = TypeVar("T")

DEFAULT_FILE_BYTES: Final = 512 * 1024 * 1024
DEFAULT_LEASE_SECONDS: Final = 60.0  # longer than any attempt to send, even with its retries
DEFAULT_MAX_DEAD_LETTERS: Final = 100_000
LETTERS_SHARE: Final = 4  # dead letters take up at most this part of the bound: they must not end all service

_inherited: list[Writer] = []
"""In a forked child, what the parent has open: SQLite forbids even to close it there."""


class SQLiteStore(DurableStore):
    """An event store in a file. The guarantees are those of `EventStore`, and of `DeadLetterStore`.

    What survives what: a record whose `track()` has returned is in the file. With `synchronous="normal"` it
    survives the end of the process, `kill -9` included; when the machine loses power the last seconds may be
    lost, and the file stays consistent. With `"full"` it survives a loss of power, as far as the disk keeps
    what it promises, at the price of one wait for the disk per group. A damaged file is set aside as
    `<name>.corrupt-<time>`, and a new one begun.

    One thread does all the work, and commits in one transaction whatever came in while it was busy with the
    one before. Several processes of one machine may share a file, also while it is being forked; it must not
    be on a network file system. While the file cannot be used (a full disk, no permission, a lock), records
    wait in memory, within the bounds of the buffer, and are sent from there.

    The bound is on the pages of the file that are in use. Beside them there is as much as what one buffer
    takes up, which may come in before the bound is noticed, and the log: 4 MiB, and the transaction that goes
    beyond them, which may put as much and remove as much to make room. The file gets no smaller while it is
    open: room that is freed is used again.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_bytes: int = DEFAULT_FILE_BYTES,
        max_events: int | None = None,
        synchronous: Literal["normal", "full"] = "normal",
        lease_seconds: float = DEFAULT_LEASE_SECONDS,
        buffer_events: int = DEFAULT_MAX_EVENTS,
        buffer_bytes: int = DEFAULT_MAX_BYTES,
        max_dead_letters: int = DEFAULT_MAX_DEAD_LETTERS,
    ) -> None:
        """Describe the store; nothing is opened before the tracker is.

        Args:
            path: of the file, which is created when there is none; its folder must exist.
            max_bytes: bound of the file.
            max_events: bound in records; None for as many as find room.
            synchronous: what a commit survives, see above.
            lease_seconds: after so long the records of a process that died come back to the others.
            buffer_events: bound of what is not committed yet, in records.
            buffer_bytes: likewise in bytes.
            max_dead_letters: bound of dead letters, which also take up at most a quarter of the file.
        Raises:
            ConfigurationError: a setting cannot work.
        """
        bounds = {"max_bytes": max_bytes, "buffer_events": buffer_events, "buffer_bytes": buffer_bytes}
        for setting, value in (
            *bounds.items(),
            ("max_events", EVERYTHING if max_events is None else max_events),
            ("max_dead_letters", max_dead_letters),
        ):
            if type(value) is not int or value < 1:
                raise ConfigurationError(setting, value, "must be a whole number above 0")
        if synchronous not in ("normal", "full"):
            raise ConfigurationError("synchronous", synchronous, 'must be "normal" or "full"')
        if not isinstance(lease_seconds, int | float) or not 0 < lease_seconds < math.inf:
            raise ConfigurationError("lease_seconds", lease_seconds, "must be a number of seconds above 0")
        super().__init__(
            max_events=max_events or EVERYTHING,
            max_bytes=max_bytes,
            buffer_events=buffer_events,
            buffer_bytes=buffer_bytes,
        )
        self._settings = Settings(
            _path(path),
            synchronous,
            lease_seconds,
            Bounds(max_bytes, max_dead_letters, max_bytes // LETTERS_SHARE),
        )
        self._writer: Writer | None = None
        self._permit = Permit()  # of the writer
        self._loop: Loop | None = None
        self._evicting = (0, 0)  # records and bytes, for the writer to remove

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._settings.path

    # -- life -----------------------------------------------------------------------------------------

    async def open(self, host: StoreHost) -> None:
        """Open the file, or begin to try.

        Raises:
            ConfigurationError: the path is a folder, or the file belongs to a newer release or to another
                application.
        """
        if leases := self._leave():  # a closing was cancelled
            host.lost(sum(map(len, leases)), DropReason.STORE_ERROR, "closing was cut short", leases)
        loop, permit = current_loop(), Permit()
        await import_once(loop, "aiotracker.stores.sqlite.writer", _import_writer)
        memory = Memory(
            take_group=permit.cover(self._take_group, Group((), ())),
            evictions=permit.cover(self._evictions, (0, 0)),
            committed=permit.cover(self._round_committed, None),
            failed=permit.cover(self._group_failed, None),
            note=permit.cover(self._note_held, None),
            lease=permit.cover(self._lease_volatile, None),
            take_back=permit.cover(self._take_back_volatile, 0),
            put_back=permit.cover(self._put_back, None),
        )
        writer = _import_writer()(self._settings, memory, host, loop)
        opening = Opening(loop, None)
        writer.submit(opening)
        writer.start()
        self._loop, self._writer, self._permit = loop, writer, permit
        try:
            await opening.wait()
        except ConfigurationError:
            self._leave()
            raise
        except BaseException:  # cancelled: nobody will close it, and the next opening must not meet it
            await self.aclose(host.clock.now())
            raise

    async def aclose(self, by: float) -> Sequence[Lease]:
        """Commit what is volatile, and close the file; return what could not be committed.

        A disk that hangs keeps the thread, which is left to itself then: what it was writing counts as given
        up, although it may yet come to be in the file.
        """
        writer, is_here = self._writer, self._loop is not None and self._loop.is_current()
        if writer is not None:
            ending = Ending(self._caller(), writer.clock, by)
            if writer.submit(ending):
                with writer.clock.move_on_at(by + CLOSE_GRACE_SECONDS, shield=True):
                    await ending.wait()
        leases = self._leave()
        if is_here:
            self._let_callers_go()
        return leases

    def at_exit(self, by: float) -> int:
        """Commit what is volatile, and close the file, without a loop; return how many records are lost."""
        writer, clock = self._writer, SystemClock()
        if writer is not None:
            ending = Ending(None, clock, by)
            if writer.submit(ending):
                if writer.is_alive:
                    ending.is_over.wait(max(0.0, by - clock.now()))
                else:
                    writer.work()
        return sum(map(len, self._leave()))

    def _leave(self) -> Sequence[Lease]:
        """Be closed, wherever the writer is; return what is not committed."""
        if self._writer is not None:
            self._writer.leave()
        self._writer = self._loop = None
        self._permit.withdraw()
        return self._give_up_everything()

    def after_fork(self) -> None:
        """In a forked child: be empty, and touch nothing that the parent has open."""
        if self._writer is not None:
            _inherited.append(self._writer)
        self._permit.after_fork()
        self._writer = self._loop = None
        self._evicting = (0, 0)
        super().after_fork()

    # -- records --------------------------------------------------------------------------------------

    def _wake(self) -> None:
        writer = self._writer
        if writer is not None:
            writer.wake()

    def evict(self, size_bytes: int) -> Sequence[Lease] | None:
        """Reserve room, and have the oldest records in the file removed that are not leased.

        Only what is not committed yet can be removed at once, and is when the buffer is full.
        """
        with self._lock:
            held = self._held
            being_events, being_bytes = self._evicting
            events = held.events - being_events + self._reserved_events + 1 - self._max_events
            excess = held.size_bytes - being_bytes + self._reserved_bytes + size_bytes - self._max_bytes
            if (
                events > held.events - held.leased - being_events
                or excess > held.size_bytes - held.leased_bytes - being_bytes
            ):
                return None
            evicted = self._evict_volatile(size_bytes)
            if evicted is None or (events <= 0 and excess <= 0):
                return evicted
            self._evicting = (being_events + max(0, events), being_bytes + max(0, excess))
        self._wake()
        return evicted

    def _evictions(self) -> tuple[int, int]:
        with self._lock:
            return self._evicting

    def _round_committed(self, group: Group, held: Held, evicted: tuple[int, int]) -> None:
        self._group_committed(group, held)
        with self._lock:
            events, size_bytes = self._evicting
            self._evicting = (events - evicted[0], size_bytes - evicted[1])

    async def lease(self, max_events: int, max_bytes: int) -> Lease | None:
        """Hand out the oldest records that fit in one request."""
        return await self._ask(Leasing(self._caller(), max_events, max_bytes))

    async def ack(self, lease: Lease) -> int:
        """Forget records that were delivered."""
        if self._is_volatile(lease):
            return self._forget_volatile(lease)
        return await self._ask(Settling(self._caller(), Deed.ACK, lease))

    async def release(self, lease: Lease) -> None:
        """Take records back, to be leased again."""
        if self._is_volatile(lease):
            self._put_back(lease)
            return
        await self._ask(Settling(self._caller(), Deed.RELEASE, lease))

    async def reject(self, lease: Lease, reason: DropReason, detail: str = "") -> int:
        """Make dead letters of records."""
        if self._is_volatile(lease):
            self._forget_volatile(lease)
        return await self._ask(Settling(self._caller(), Deed.REJECT, lease, reason, detail))

    async def reclaim(self) -> int:
        """Take back every lease."""
        return await self._ask(Reclaiming(self._caller()))

    def _put_back(self, lease: Lease) -> None:
        """Take back a lease, on the loop, without waiting."""
        if self._is_volatile(lease):
            self._put_back_volatile(lease)
            self._wake()
        elif self._writer is not None:
            self._writer.submit(Settling(None, Deed.RELEASE, lease))

    # -- dead letters ---------------------------------------------------------------------------------

    async def count_dead_letters(self) -> int:
        """Return how many there are.

        Raises:
            OSError: the file cannot be used now.
        """
        return await self._demand(lambda transaction: transaction.letters)

    async def dead_letters(self, *, after: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        """Return the oldest ones after a letter, oldest first.

        Raises:
            OSError: the file cannot be used now.
        """
        number = int(after) if after else 0
        found = await self._demand(lambda transaction: transaction.file.letters(number, limit))
        return [
            DeadLetter(
                f"{letter:019}",
                Record(Kind(kind.decode()), data, version),
                DropReason(reason.decode()),
                detail.decode(),
                put_ms,
                dropped_ms,
            )
            for letter, kind, version, reason, detail, put_ms, dropped_ms, data in found
        ]

    async def replay(self, letters: Sequence[DeadLetter]) -> int:
        """Put letters back among the events to be sent.

        Raises:
            OSError: the file cannot be used now.
        """
        numbers = _numbers(letters)
        return await self._demand(lambda transaction: transaction.replay(numbers))

    async def purge(self, letters: Sequence[DeadLetter]) -> int:
        """Remove letters for good.

        Raises:
            OSError: the file cannot be used now.
        """
        numbers = _numbers(letters)
        return await self._demand(lambda transaction: transaction.purge(numbers))

    # -- asking ---------------------------------------------------------------------------------------

    def _caller(self) -> Loop:
        """Return the caller's loop, which is another one when that of the store has died."""
        return self._loop if self._loop is not None and self._loop.is_current() else current_loop()

    async def _ask(self, request: Request[T]) -> T:
        """Have something done, which happens also when the caller is cancelled meanwhile."""
        if self._writer is None or not self._writer.submit(request):
            return request.answer
        try:
            return await request.wait()
        except BaseException:
            request.is_abandoned = True
            if request.is_done and isinstance(request.answer, Lease):  # it came, and nobody took it
                self._put_back(request.answer)
            raise

    async def _demand(self, function: Callable[[Transaction], T]) -> T:
        if self._writer is None:
            raise OSError(f"{self._settings.path} is not open")
        answers = await self._ask(Ask(self._caller(), function))
        return answers[0]


def _import_writer() -> type[Writer]:
    """Import what only an open store needs."""
    from aiotracker.stores.sqlite.writer import Writer

    return Writer


def _numbers(letters: Sequence[DeadLetter]) -> list[int]:
    return [int(letter.letter_id) for letter in letters]


def _path(path: str | os.PathLike[str]) -> Path:
    try:
        text = os.fspath(path)
    except TypeError:
        raise ConfigurationError("path", path, "must be the path of a file") from None
    if not isinstance(text, str) or text in ("", ":memory:"):
        raise ConfigurationError("path", path, "must be the path of a file")
    return Path(text).absolute()
