"""The thread that does all the work on a file, round by round: what came in meanwhile is the next round's.

A round is one transaction: the records that were put, and whatever was asked for. It ends with one call on
the loop. Nothing that happens to the file ends the thread: what cannot be done now is kept, and tried again.
"""

from __future__ import annotations

import logging
import math
import secrets
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Final

from aiotracker.clock import SystemClock
from aiotracker.errors import ConfigurationError
from aiotracker.policy.reasons import DropReason
from aiotracker.stores.durable import Group
from aiotracker.stores.sqlite.fork import close_while_forking
from aiotracker.stores.sqlite.inbox import Inbox
from aiotracker.stores.sqlite.news import News
from aiotracker.stores.sqlite.place import Place
from aiotracker.stores.sqlite.requests import Ending, Leasing, Opening, Reclaiming
from aiotracker.stores.sqlite.retries import Retries
from aiotracker.stores.sqlite.standby import Standby
from aiotracker.stores.sqlite.transaction import Moment, Transaction
from aiotracker.stores.sqlite.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from aiotracker.clock import Clock
    from aiotracker.runtime import Loop
    from aiotracker.stores.base import Lease, StoreHost
    from aiotracker.stores.durable import Held
    from aiotracker.stores.sqlite.file import SQLiteFile
    from aiotracker.stores.sqlite.memory import Memory
    from aiotracker.stores.sqlite.requests import Request
    from aiotracker.stores.sqlite.settings import Settings

__all__ = ["Writer"]

RENEWALS: Final = 3  # of a lease, before it would end
MOVE_SECONDS: Final = 0.01  # between two parts of what is moved out of a file that is gone

_NO_GROUP: Final = Group((), ())
_NOTHING: Final = (0, 0)


class Writer:
    """One opening of a file: its thread, and what that has to remember."""

    def __init__(self, settings: Settings, memory: Memory, host: StoreHost, loop: Loop) -> None:
        """Get ready; nothing runs before `start()`."""
        self._settings = settings
        self._memory = memory
        self._host = host
        self._time = SystemClock()  # for waiting, which a test's clock cannot end
        self._holder = secrets.token_hex(8)
        self._inbox = Inbox()
        self._news = News(host, loop, memory.put_back)
        self._place = Place(settings, host.clock, self._news)
        self._standby = Standby(settings.path, memory, self._news)
        self._retries = Retries(self._time)
        self._thread = Thread(target=self.work, name=f"aiotracker {settings.path.name}", daemon=True)
        self._ending: Ending | None = None
        self._tried = 0  # records of the last group
        self._watch_at = 0.0
        self._renew_at = -math.inf  # by the host's clock
        self._expires_at: int | None = None

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
        self._inbox.wake()

    def submit(self, request: Request[Any]) -> bool:
        """Have something done; False when the writer has stopped."""
        return self._inbox.submit(request)

    def leave(self) -> None:
        """Ask for nothing any more, wherever the thread is."""
        self._inbox.shut()

    def pause(self, seconds: float) -> None:
        """Close the file and stand still, before a fork."""
        if self.is_alive:
            self._inbox.pause(seconds)

    def go_on(self) -> None:
        """Go on after a fork, in the parent."""
        self._inbox.go_on()

    def work(self) -> None:
        """Do round after round until the end: in the thread, or for it when it is dead."""
        wait: float | None = 0.0
        while wait is not None:
            requests = self._inbox.receive(wait, self._place.close)
            try:
                wait = self._turn(requests)
            except BaseException as error:  # noqa: BLE001 - a defect: events go on from memory
                self._news.say(logging.ERROR, "crash", "the writer of the file crashed", error)
                self._stand_in(requests)
                wait = self._retries.back_off()

    # -- rounds ---------------------------------------------------------------------------------------

    def _turn(self, requests: list[Request[Any]]) -> float | None:
        """Do one round; return after how many seconds the next is due, None when there is none."""
        for request in requests:
            if isinstance(request, Ending):
                self._ending = request
        requests = [request for request in requests if not isinstance(request, Ending)]
        if self._ending is not None:
            self._memory.take_back()
        elif wait := self._retries.wait:
            self._stand_in(requests)
            return wait
        for request in requests:
            if isinstance(request, Reclaiming):
                request.volatile = self._memory.take_back()
        group = _NO_GROUP
        if self._ending is not None or not self._retries.group_wait:
            group = self._memory.take_group()
            self._tried = len(group)
        if requests or group or self._ending is not None or self._is_due():
            self._try(group, requests)
        elif group.commits:
            self._memory.committed(group, self._place.held, _NOTHING)
            self._news.post((), group.commits)
        return self._wait()

    def _is_due(self) -> bool:
        """Tell whether there is something to do that nobody asked for."""
        if not self._place.is_open or self._place.is_moving or self._standby.is_owing:
            return True
        if self._memory.evictions() != _NOTHING:
            return True
        if self._retries.is_in_trouble and not self._retries.group_wait:
            return True  # or what is in the file would wait unseen until the next record comes
        clock, now = self._host.clock, self._time.now()
        if self._standby.leased and clock.now() >= self._renew_at:
            return True
        if self._expires_at is not None and clock.wall_ms() >= self._expires_at:
            return True
        if now < self._watch_at:
            return False
        self._watch_at = now + self._settings.poll_seconds
        return self._place.has_changed()

    def _wait(self) -> float | None:
        if self._ending is not None:
            left = self._ending.seconds_left
            is_keeping = self._retries.is_in_trouble and self._tried > 0
            if left > 0 and (is_keeping or self._standby.is_owing or self._place.is_moving):
                return min(self._retries.seconds, left)
            self._end(self._ending)
            return None
        if self._place.is_moving:
            return MOVE_SECONDS
        wait = self._settings.poll_seconds
        if self._retries.is_in_trouble:
            wait = min(wait, self._retries.group_wait)
        if self._expires_at is not None:
            wait = min(wait, max(0.0, (self._expires_at - self._host.clock.wall_ms()) / 1000))
        return wait

    def _end(self, ending: Ending) -> None:
        self._place.end()
        self._inbox.shut()
        rest = self._inbox.receive(0.0, self._place.close)
        endings = [ending, *(request for request in rest if isinstance(request, Ending))]
        self._stand_in([request for request in rest if request not in endings])
        self._news.post(endings, ())
        for each in endings:
            each.is_over.set()

    # -- transactions ---------------------------------------------------------------------------------

    def _try(self, group: Group, requests: list[Request[Any]]) -> None:
        """Do a round, and once more with a new file when the old one is found damaged."""
        for is_last in (False, True):
            try:
                self._work(group, requests)
            except ConfigurationError as error:
                self._refuse(error, group, requests)
            except Exception as error:  # noqa: BLE001 - whatever it is, events go on
                trouble = Trouble.of(error)
                if trouble.is_damage and not is_last and self._place.set_aside(trouble):
                    self._standby.leased = 0
                    self._memory.note(self._place.held)
                    continue
                self._fail(trouble, group, requests)
            return

    def _work(self, group: Group, requests: Iterable[Request[Any]]) -> None:
        """Do everything in one transaction, or nothing."""
        file = self._place.opened(is_hurried=self._inbox.is_hurried)
        try:
            transaction = self._begun(file)
            done = self._perform(transaction, group, requests)
        except BaseException:
            self._place.undo()
            raise
        held = self._place.committed(len(group), done.held)
        self._standby.settled(transaction.held_by_me())
        self._expires_at = transaction.expires_at()
        self._memory.committed(group, held, done.evictions)
        if self._retries.worked(has_group=bool(group)):
            self._news.say(logging.INFO, "recovered", f"{self._settings.path} works again")
        self._report(done, transaction.letters_lost)
        if self._retries.is_in_trouble:
            for request in requests:
                if isinstance(request, Leasing):
                    self._standby.lend(request)
        self._news.post(requests, group.commits)

    def _begun(self, file: SQLiteFile) -> Transaction:
        """Begin when no other process writes; one that takes long is trouble, at the end at once."""
        by = self._time.now() + self._settings.busy_seconds
        while True:
            try:
                return self._transaction(file)
            except Exception as error:
                is_over = self._inbox.is_hurried or self._time.now() >= by
                if is_over or Trouble.of(error).reason != "locked":
                    raise

    def _transaction(self, file: SQLiteFile) -> Transaction:
        clock = self._host.clock
        moment = Moment(clock.now(), clock.wall_ms())
        lease_ms = round(self._settings.lease_seconds * 1000)
        return Transaction(file, self._holder, lease_ms, self._settings.bounds, moment)

    def _perform(self, transaction: Transaction, group: Group, requests: Iterable[Request[Any]]) -> _Done:
        lost = transaction.recount()
        self._standby.settle(transaction)
        self._place.bring_home(self._transaction, transaction)
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
        return _Done(transaction.finish(), evictions, evicted, lost)

    def _report(self, done: _Done, letters_lost: int) -> None:
        self._news.lose(done.lost, "they were no longer in the file")
        count = sum(map(len, done.evicted))
        self._news.lose(count, "made room for newer ones", DropReason.EVICTED, done.evicted)
        if letters_lost:
            message = f"too many dead letters: {letters_lost} of the oldest were removed"
            self._news.say(logging.WARNING, "dead letters", message)

    # -- trouble --------------------------------------------------------------------------------------

    def _fail(self, trouble: Trouble, group: Group, requests: list[Request[Any]]) -> None:
        """Keep what could not be done; try once more without the group, which may be all that is too much."""
        message = f"{self._settings.path}: {trouble.text}; events wait in memory and are sent from there"
        level = logging.WARNING if trouble.is_known else logging.ERROR
        self._news.say(level, trouble.reason, message, trouble.error)
        self._memory.failed(group)
        if trouble.needs_opening:
            self._place.close()
        is_group_alone = bool(group) and trouble.concerns_room
        self._retries.failed(is_group_alone=is_group_alone)
        if is_group_alone:
            self._try(_NO_GROUP, requests)
            return
        self._memory.note(self._place.hide())
        self._stand_in(requests)

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
        self._news.post(requests, ())

    def _stand_in(self, requests: Sequence[Request[Any]]) -> None:
        """Answer without the file."""
        self._standby.answer(requests)
        self._news.post(requests, ())


@dataclass(frozen=True, slots=True)
class _Done:
    """What came of a transaction.

    Attributes:
        held: what there is now.
        evictions: how many records and bytes were to be removed.
        evicted: what was removed.
        lost: how many records were found missing.
    """

    held: Held
    evictions: tuple[int, int]
    evicted: Sequence[Lease]
    lost: int
