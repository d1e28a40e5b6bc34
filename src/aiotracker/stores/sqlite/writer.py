"""The thread that does all the work on a file, round by round: what came in meanwhile is the next round's.

A round is one transaction: the records that were put, and whatever was asked for. It ends with one call on
the loop. Nothing that happens to the file ends the thread: what cannot be done now is kept, and tried again.
"""

from __future__ import annotations

import logging
import math
import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final

from aiotracker.clock import SystemClock
from aiotracker.errors import ConfigurationError
from aiotracker.policy.reasons import DropReason
from aiotracker.stores.durable import Group, Held
from aiotracker.stores.sqlite.damage import inode_of, set_aside, was_set_aside
from aiotracker.stores.sqlite.file import SQLiteFile
from aiotracker.stores.sqlite.fork import close_while_forking
from aiotracker.stores.sqlite.requests import Ending, Leasing, Opening, Reclaiming, Settling
from aiotracker.stores.sqlite.rescue import Rescue
from aiotracker.stores.sqlite.transaction import Moment, Transaction
from aiotracker.stores.sqlite.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from typing import Any

    from aiotracker.clock import Clock
    from aiotracker.runtime import Loop
    from aiotracker.stores.base import Commit, Lease, StoreHost
    from aiotracker.stores.sqlite.memory import Memory
    from aiotracker.stores.sqlite.requests import Request
    from aiotracker.stores.sqlite.transaction import Bounds

__all__ = ["Settings", "Writer"]

POLL_SECONDS: Final = 0.25
MIN_BACKOFF_SECONDS: Final = 0.1
MAX_BACKOFF_SECONDS: Final = 5.0
BUSY_SECONDS: Final = 0.5  # other processes write for milliseconds
BUSY_SLICE_SECONDS: Final = 0.05  # SQLite cannot be interrupted while it waits for them
RENEWALS: Final = 3  # of a lease, before it would end
MAX_OWED_LETTERS: Final = 1_000  # records that await a file to become dead letters in
RESCUE_SECONDS: Final = 0.01  # between two parts of a rescue
NEW_FILE_GAP: Final = 2**20  # more than other processes can have put that this one did not hear of

_NO_GROUP: Final = Group((), ())
_NOTHING: Final = (0, 0)


@dataclass(frozen=True, slots=True)
class Settings:
    """How a file is used.

    Attributes:
        path: of the file.
        synchronous: of SQLite.
        lease_seconds: how long a lease lasts when it is not renewed.
        bounds: how much the file may hold.
        busy_seconds: how long to wait while another process writes; nothing else is done meanwhile.
        poll_seconds: between two looks at what other processes did.
    """

    path: Path
    synchronous: str
    lease_seconds: float
    bounds: Bounds
    busy_seconds: float = BUSY_SECONDS
    poll_seconds: float = POLL_SECONDS


class Writer:
    """One opening of a file: its thread, and what that has to remember."""

    def __init__(self, settings: Settings, memory: Memory, host: StoreHost, loop: Loop) -> None:
        """Get ready; nothing runs before `start()`."""
        self._settings = settings
        self._memory = memory
        self._host = host
        self._loop = loop
        self._time = SystemClock()  # for waiting, which a test's clock cannot end
        self._holder = secrets.token_hex(8)
        self._lock = Lock()
        """Held while a request is handed in, so that none comes after the last round."""
        self._is_over = False
        self._is_hurried = False  # somebody waits for the end
        self._given_up: Sequence[Lease] = ()
        self._inbox: SimpleQueue[Request[Any] | _Pause | None] = SimpleQueue()
        self._is_woken = False
        self._thread = Thread(target=self._run, name=f"aiotracker {settings.path.name}", daemon=True)
        self._pause: _Pause | None = None

        self._file: SQLiteFile | None = None
        self._seen: tuple[int, int] | None = None  # what was to be opened
        self._rescue: Rescue | None = None
        self._held = Held()
        self._unconfirmed = 0  # records that were committed since the file was last seen in its place
        self._mine = 0  # records that this holder has leased
        self._owed: list[Settling | Reclaiming] = []  # answered already, to be done when the file works again
        self._ending: Ending | None = None
        self._is_keeping = False  # whether the last group could not be committed
        self._kept = 0  # records of the last group that was tried
        self._backoff = 0.0
        self._retry_at = 0.0  # nothing is tried before
        self._group_retry_at = 0.0  # no group is taken before
        self._watch_at = 0.0
        self._renew_at = -math.inf  # by the host's clock
        self._version = -1
        self._expires_at: int | None = None
        self._news: list[Callable[[], None]] = []

    # -- what any thread calls ------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread."""
        close_while_forking(self)
        self._thread.start()

    @property
    def clock(self) -> Clock:
        """The host's."""
        return self._host.clock

    @property
    def is_alive(self) -> bool:
        """Whether the thread can still do something."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """Have everything committed that is in memory."""
        if not self._is_woken:
            self._is_woken = True
            self._inbox.put(None)

    def submit(self, request: Request[Any]) -> bool:
        """Have something done; False when the writer has stopped."""
        with self._lock:
            if self._is_over:
                return False
            self._is_hurried |= isinstance(request, Ending)
            self._inbox.put(request)
            return True

    def leave(self) -> Sequence[Lease] | None:
        """Ask for nothing any more; return what was given up, None when the thread has not ended."""
        with self._lock:
            if self._is_over:
                return self._given_up
            self._is_over = True
            return None

    def work_here(self) -> None:
        """Do in the caller's thread, to the end, what the writer's own, which is dead, cannot do any more."""
        self._run()

    def pause(self, seconds: float) -> None:
        """Close the file and stand still, before a fork."""
        pause = _Pause()
        with self._lock:
            if self._is_over or not self._thread.is_alive():
                return
            self._pause = pause
            self._inbox.put(pause)
        pause.begun.wait(seconds)

    def go_on(self) -> None:
        """Go on after a fork, in the parent."""
        if self._pause is not None:
            self._pause.over.set()

    # -- rounds ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        wait: float | None = 0.0
        while wait is not None:
            requests = self._receive(wait)
            try:
                wait = self._turn(requests)
            except BaseException as error:  # noqa: BLE001 - a defect: events go on from memory
                self._say(logging.ERROR, "crash", "the writer of the file crashed", error)
                self._without_file(requests)
                wait = self._back_off()

    def _receive(self, seconds: float) -> list[Request[Any]]:
        received = []
        with suppress(Empty):
            received.append(self._inbox.get(timeout=seconds))
            while True:
                received.append(self._inbox.get_nowait())
        self._is_woken = False  # before the group is taken: what comes later wakes again
        requests = []
        for each in received:
            if isinstance(each, _Pause):
                if self._file is not None:
                    self._file.close()
                    self._file = None
                each.begun.set()
                each.over.wait()
            elif each is not None:
                requests.append(each)
        return requests

    def _turn(self, requests: list[Request[Any]]) -> float | None:
        """Do one round; return after how many seconds the next is due, None when there is none."""
        for request in requests:
            if isinstance(request, Ending):
                self._ending = request
        requests = [request for request in requests if not isinstance(request, Ending)]
        now = self._time.now()
        if self._ending is not None:
            self._memory.take_back()
        elif now < self._retry_at:
            self._without_file(requests)
            return self._retry_at - now
        for request in requests:
            if isinstance(request, Reclaiming):
                request.volatile = self._memory.take_back()
        may_commit = self._ending is not None or now >= self._group_retry_at
        group = self._memory.take_group() if may_commit else _NO_GROUP
        if may_commit:
            self._kept = len(group)
        if requests or group or self._ending is not None or self._is_due(now):
            self._try(group, requests)
        elif group.commits:
            self._memory.committed(group, self._held, _NOTHING)
            self._post((), group.commits)
        return self._wait()

    def _is_due(self, now: float) -> bool:
        """Tell whether there is something to do that nobody asked for."""
        if (
            self._file is None
            or self._rescue is not None
            or self._owed
            or self._memory.evictions() != _NOTHING
        ):
            return True
        if self._is_keeping and now >= self._group_retry_at:
            return True  # or what is in the file would wait unseen until the next record comes
        if self._mine and self._host.clock.now() >= self._renew_at:
            return True
        if self._expires_at is not None and self._host.clock.wall_ms() >= self._expires_at:
            return True
        if now < self._watch_at:
            return False
        self._watch_at = now + self._settings.poll_seconds
        version, self._version = self._version, self._file.version()
        if self._file.is_in_place():
            self._unconfirmed = 0
            return self._version != version
        self._leave(self._file)
        return True

    def _wait(self) -> float | None:
        if self._ending is not None:
            left = self._ending.seconds_left
            if left > 0 and (self._owed or self._rescue is not None or (self._is_keeping and self._kept)):
                return min(self._backoff, left)
            self._end(self._ending)
            return None
        if self._rescue is not None:
            return RESCUE_SECONDS
        wait = self._settings.poll_seconds
        if self._is_keeping:
            wait = min(wait, max(0.0, self._group_retry_at - self._time.now()))
        if self._expires_at is not None:
            wait = min(wait, max(0.0, (self._expires_at - self._host.clock.wall_ms()) / 1000))
        return wait

    def _try(self, group: Group, requests: list[Request[Any]]) -> None:
        """Do a round, and once more with a new file when the old one is found damaged."""
        for is_last in (False, True):
            try:
                self._work(group, requests)
            except ConfigurationError as error:
                self._refuse(error, group, requests)
            except Exception as error:  # noqa: BLE001 - whatever it is, events go on
                trouble = Trouble.of(error)
                if trouble.is_damage and not is_last and self._set_aside(trouble):
                    continue
                self._fail(trouble, group, requests)
            return

    def _work(self, group: Group, requests: Iterable[Request[Any]]) -> None:
        """Do everything in one transaction, or nothing."""
        file = self._opened()
        try:
            done = self._perform(self._begun(file), group, requests)
        except BaseException:
            with suppress(Exception):
                file.rollback()
            if self._rescue is not None:
                self._rescue.undo()
            raise
        if self._rescue is not None and self._rescue.finish():
            self._rescue = None
        self._owed.clear()
        self._unconfirmed = len(group)
        self._held = done.held
        self._mine = done.transaction.held_by_me()
        self._expires_at = done.transaction.expires_at()
        self._memory.committed(group, done.held, done.evictions)
        self._recovered(has_group=bool(group))
        self._report(done)
        if self._is_keeping:
            self._lease_from_memory(requests)
        self._post(requests, group.commits)

    def _perform(self, transaction: Transaction, group: Group, requests: Iterable[Request[Any]]) -> _Done:
        lost = transaction.recount()
        for owed in self._owed:
            owed.perform(transaction)
        self._bring_home(transaction)
        transaction.put(group.leases)
        for request in requests:
            request.perform(transaction)
        if self._ending is not None:
            self._ending.perform(transaction)
        evictions = self._memory.evictions()
        evicted = transaction.evict(*evictions)
        now = transaction.moment.now
        if now >= self._renew_at:
            transaction.renew()
            self._renew_at = now + self._settings.lease_seconds / RENEWALS
        held = transaction.finish()
        if held.latest_sequence < self._held.latest_sequence:  # a new file, without records so far
            held = replace(held, latest_sequence=self._held.latest_sequence)
        return _Done(transaction, held, evictions, evicted, lost)

    def _report(self, done: _Done) -> None:
        self._lose(done.lost, "they were no longer in the file")
        count = sum(map(len, done.evicted))
        self._lose(count, "made room for newer ones", DropReason.EVICTED, done.evicted)
        if done.transaction.letters_lost:
            message = f"too many dead letters: {done.transaction.letters_lost} of the oldest were removed"
            self._say(logging.WARNING, "dead letters", message)

    def _transaction(self, file: SQLiteFile) -> Transaction:
        clock = self._host.clock
        moment = Moment(clock.now(), clock.wall_ms())
        lease_ms = round(self._settings.lease_seconds * 1000)
        return Transaction(file, self._holder, lease_ms, self._settings.bounds, moment)

    # -- the file -------------------------------------------------------------------------------------

    def _begun(self, file: SQLiteFile) -> Transaction:
        """Begin when no other process writes; one that takes long is trouble, at the end at once."""
        by = self._time.now() + self._settings.busy_seconds
        while True:
            try:
                return self._transaction(file)
            except Exception as error:
                is_over = self._is_hurried or self._time.now() >= by
                if is_over or Trouble.of(error).reason != "locked":
                    raise

    def _opened(self) -> SQLiteFile:
        # In every round, or what is committed to a file that is gone would be lost with it.
        if self._file is not None and not self._file.is_in_place():
            self._leave(self._file)
        if self._file is None:
            self._seen = inode_of(self._settings.path)
            self._file = SQLiteFile.open(
                self._settings.path,
                synchronous=self._settings.synchronous,
                busy_seconds=BUSY_SLICE_SECONDS if self._is_hurried else self._settings.busy_seconds,
                slice_seconds=min(BUSY_SLICE_SECONDS, self._settings.busy_seconds),
                now_ms=self._host.clock.wall_ms(),
                above=self._held.latest_sequence + NEW_FILE_GAP,
            )
            self._version = self._file.version()
        return self._file

    def _leave(self, file: SQLiteFile) -> None:
        """Go on without a file that is no longer where it was."""
        self._file = None
        path = self._settings.path
        waiting = self._held.events - self._held.leased
        if was_set_aside(path, file.inode):
            file.close()  # the process that set it aside has counted what it knew of
            self._lose(self._unconfirmed, "the file was damaged, and set aside by another process")
        elif self._rescue is not None:
            file.close()
            self._lose(waiting, "the file was removed while what was in the one before was being moved")
        else:
            self._rescue = Rescue(file, waiting)
            self._say(logging.WARNING, "moved", f"{path} was removed; what it held goes into a new one")

    def _bring_home(self, transaction: Transaction) -> None:
        """Move something of a file that is gone."""
        if self._rescue is not None:
            trouble = self._rescue.move(self._transaction, transaction)
            if trouble is not None:
                self._lose(self._rescue.events, f"the file was removed, and cannot be read: {trouble.text}")
                self._rescue.close()
                self._rescue = None

    def _set_aside(self, trouble: Trouble) -> bool:
        """Take a damaged file out of the way; False when that cannot be done."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
        path = self._settings.path
        try:
            target = set_aside(path, self._seen if file is None else file.inode, self._host.clock.wall_ms())
        except OSError as error:
            self._say(logging.ERROR, "damaged", f"{path} is damaged and cannot be set aside: {error}")
            return False
        if target is not None:
            count = self._held.events - self._held.leased
            message = f"{path} is damaged ({trouble.text}) and was set aside as {target.name}"
            self._say(logging.ERROR, "damaged", message)
            self._lose(count, f"the file is damaged: {trouble.text}")
        self._held = Held(latest_sequence=self._held.latest_sequence)
        self._mine = 0
        self._memory.note(self._held)
        return True

    # -- trouble --------------------------------------------------------------------------------------

    def _fail(self, trouble: Trouble, group: Group, requests: list[Request[Any]]) -> None:
        """Keep what could not be done; try once more without the group, which may be all that is too much."""
        path = self._settings.path
        message = f"{path}: {trouble.text}; events wait in memory and are sent from there"
        level = logging.WARNING if trouble.is_known else logging.ERROR
        self._say(level, trouble.reason, message, trouble.error)
        self._memory.failed(group)
        self._is_keeping = True
        if trouble.needs_opening and self._file is not None:
            self._file.close()
            self._file = None
        delay = self._back_off()
        if group and trouble.concerns_room:
            self._group_retry_at = self._time.now() + delay
            self._try(_NO_GROUP, requests)
            return
        self._retry_at = self._time.now() + delay
        # Nothing of the file can be leased meanwhile.
        self._held = replace(
            self._held, fullest_events=0, fullest_bytes=0, oldest_at=None, oldest_sequence=None
        )
        self._memory.note(self._held)
        self._without_file(requests)

    def _back_off(self) -> float:
        self._backoff = min(MAX_BACKOFF_SECONDS, max(MIN_BACKOFF_SECONDS, 2 * self._backoff))
        return self._backoff

    def _recovered(self, *, has_group: bool) -> None:
        if self._is_keeping and (has_group or self._time.now() >= self._group_retry_at):
            self._is_keeping = False
            self._backoff = 0.0
            self._say(logging.INFO, "recovered", f"{self._settings.path} works again")

    def _refuse(self, error: ConfigurationError, group: Group, requests: list[Request[Any]]) -> None:
        """Say what can never work to who opens the file; later on it is trouble like any other."""
        opening = [request for request in requests if isinstance(request, Opening)]
        if not opening:
            self._fail(Trouble.of(error), group, requests)
            return
        self._memory.failed(group)
        for request in opening:
            request.error = error
        self._ending = self._ending or Ending(None, self._time, self._time.now())
        self._post(requests, ())

    def _without_file(self, requests: Sequence[Request[Any]]) -> None:
        """Answer what was asked for, as well as it can be done without the file."""
        for request in requests:
            match request:
                case Opening():
                    pass
                case Leasing():
                    request.answer = None
                case Settling():
                    request.answer = len(request.lease)
                    self._owe(request)
                case Reclaiming():
                    request.volatile += self._memory.take_back()
                    request.answer = request.volatile + self._mine
                    self._mine = 0
                    self._owed.append(request)
                case _:
                    request.error = OSError(f"{self._settings.path} cannot be used now")
        self._lease_from_memory(requests)
        self._post(requests, ())

    def _lease_from_memory(self, requests: Iterable[Request[Any]]) -> None:
        for request in requests:
            if isinstance(request, Leasing) and request.answer is None and not request.is_abandoned:
                request.answer = self._memory.lease(request.max_events, request.max_bytes)

    def _owe(self, settling: Settling) -> None:
        if settling.lease.sequences[0] < 0:  # only from memory: nothing else bounds their number
            settlings = [each for each in self._owed if isinstance(each, Settling)]
            owed = sum([len(each.lease) for each in settlings if each.lease.sequences[0] < 0])
            if owed + len(settling.lease) > MAX_OWED_LETTERS:
                message = "dead letters could not be kept while the file could not be used"
                self._say(logging.WARNING, "dead letters", message)
                return
        else:
            self._mine = max(0, self._mine - len(settling.lease))
        self._owed.append(settling)

    # -- the loop -------------------------------------------------------------------------------------

    def _lose(
        self,
        count: int,
        detail: str,
        reason: DropReason = DropReason.STORE_ERROR,
        leases: Sequence[Lease] = (),
    ) -> None:
        if count > 0:
            self._news.append(partial(self._host.lost, count, reason, detail, leases))

    def _say(self, level: int, reason: str, message: str, error: BaseException | None = None) -> None:
        self._news.append(partial(self._host.say, level, reason, message, error=error))

    def _post(self, requests: Iterable[Request[Any]], commits: Sequence[Commit]) -> None:
        """Tell the loop, once, what came of a round."""
        news, self._news = self._news, []
        own = [request for request in requests if request.loop in (None, self._loop)]
        others = [request for request in requests if request.loop not in (None, self._loop)]
        loop = self._loop
        if others and loop.is_closed():  # who closes what was left behind is all that is left to tell
            loop = others[0].loop or loop
        loop.call_soon(partial(self._conclude, own, commits, news))
        for request in others:
            (request.loop or loop).call_soon(partial(self._conclude_one, request))

    def _conclude(
        self, requests: Iterable[Request[Any]], commits: Iterable[Commit], news: Iterable[Callable[[], None]]
    ) -> None:
        for commit in commits:
            commit.conclude()
        for request in requests:
            self._conclude_one(request)
        for tell in news:
            tell()
        self._host.changed()

    def _conclude_one(self, request: Request[Any]) -> None:
        if request.is_abandoned and isinstance(request, Leasing) and request.answer is not None:
            self._memory.put_back(request.answer)
        request.conclude()

    def _end(self, ending: Ending) -> None:
        if self._rescue is not None:
            self._rescue.close()
        if self._file is not None:
            self._file.close(for_good=True)
        with self._lock:
            if not self._is_over:
                self._given_up = self._memory.give_up()
                self._is_over = True
        rest = self._receive(0.0)
        endings = [ending, *(request for request in rest if isinstance(request, Ending))]
        self._without_file([request for request in rest if request not in endings])
        self._post(endings, ())
        for each in endings:
            each.is_over.set()


@dataclass(frozen=True, slots=True)
class _Done:
    """What came of a transaction.

    Attributes:
        transaction: committed.
        held: what there is now.
        evictions: how many records and bytes were to be removed.
        evicted: what was removed.
        lost: how many records were found missing.
    """

    transaction: Transaction
    held: Held
    evictions: tuple[int, int]
    evicted: Sequence[Lease]
    lost: int


class _Pause:
    """The time of a fork.

    Attributes:
        begun: the file is closed.
        over: it may be opened again.
    """

    def __init__(self) -> None:
        self.begun = Event()
        self.over = Event()
