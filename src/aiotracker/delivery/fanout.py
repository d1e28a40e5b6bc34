"""Several emitters as one: a record goes to each, and each answers for itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from aiotracker.delivery.admission import Verdict, Waiter
from aiotracker.delivery.closing import CLOSE_GRACE
from aiotracker.delivery.report import DeliveryReport, Health
from aiotracker.delivery.statistics import Statistics
from aiotracker.errors import DeliveryError, DeliveryTimeout, EventRefusedError, TrackerStateError
from aiotracker.policy.overflow import Overflow
from aiotracker.policy.reasons import RefusalReason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiotracker.clock import Clock
    from aiotracker.delivery.outlet import Outlet
    from aiotracker.delivery.watch import Receipt
    from aiotracker.protocol.record import Record
    from aiotracker.runtime import Loop
    from aiotracker.stores.base import Commit

__all__ = ["Admitted", "Fanout"]

Admitted: TypeAlias = "dict[Outlet, Verdict]"
"""What each emitter said to a record: True, or why it refused."""


class Fanout:
    """The emitters of one tracker."""

    def __init__(self, emitters: Sequence[Outlet], *, namespace: str, clock: Clock) -> None:
        """Claim emitters for a tracker.

        Raises:
            TrackerOpenError: one belongs to another tracker.
        """
        self.emitters: tuple[Outlet, ...] = tuple(emitters)
        self._clock = clock
        for emitter in self.emitters:
            emitter.claim(namespace)
        self._names = _unique_names(self.emitters)
        self.last_report: DeliveryReport = DeliveryReport()
        """What the last closing left behind."""
        self.safe_bytes: int = min(emitter.safe_bytes for emitter in self.emitters)
        """A record of at most so many bytes of data is too large for no emitter."""
        self.put: Callable[[Record], bool] = _never
        """Put a record if that takes no more than one emitter with room; False with nothing done.

        The short way of nearly every event: a third of what `admit()` takes.
        """

    # -- life -----------------------------------------------------------------------------------------

    async def open(self, *, loop: Loop, get_base64: bool) -> None:
        """Open all emitters, or none."""
        opened: list[Outlet] = []
        try:
            for emitter in self.emitters:
                await emitter.open(loop=loop, clock=self._clock, get_base64=get_base64)
                opened.append(emitter)
            self.put = opened[0].intake.offer if len(opened) == 1 else _never
        except BaseException:
            now = self._clock.now()
            for emitter in opened:
                emitter.intake.close(now)
            tasks = [emitter.task for emitter in opened]
            await loop.outlast(tasks, self._clock.move_on_at(now + CLOSE_GRACE, shield=True))
            raise

    async def aclose(self, loop: Loop, by: float) -> None:
        """Drain all emitters on their loop, at most until a moment in clock seconds; see `last_report`."""
        for emitter in self.emitters:
            emitter.intake.admission.close()
        committed: set[Outlet] = set()
        try:
            for emitter in self.emitters:
                if await emitter.intake.committed(by):  # a durable store numbers what it commits
                    committed.add(emitter)
        finally:
            watches = [
                emitter.intake.watch_stored(is_committed=emitter in committed) for emitter in self.emitters
            ]
            self.close(by)
            try:
                await loop.outlast(
                    [emitter.task for emitter in self.emitters],
                    self._clock.move_on_at(by + CLOSE_GRACE, shield=True),
                )
            finally:
                self.last_report = DeliveryReport.total(watch.report() for watch in watches)

    def close(self, by: float) -> None:
        """Have all emitters drain and stop, without waiting for it."""
        for emitter in self.emitters:
            emitter.intake.close(by)

    async def settle_abandoned(self) -> None:
        """Settle everything after the loop has died: nothing can be sent any more."""
        watches = [emitter.intake.watch_stored(is_committed=False) for emitter in self.emitters]
        for emitter in self.emitters:
            await emitter.settle_abandoned()
        self.last_report = DeliveryReport.total(watch.report() for watch in watches)

    @property
    def is_forked(self) -> bool:
        """Whether this process is a child of the one that opened the emitters."""
        return self.emitters[0].is_forked

    def stats(self) -> Statistics:
        """Return the sums of the accounts."""
        return Statistics.total(emitter.stats() for emitter in self.emitters)

    def health(self) -> Health:
        """Return the worst health."""
        return Health.worst(emitter.health() for emitter in self.emitters)

    # -- records --------------------------------------------------------------------------------------

    async def admit(self, record: Record, by: float = math.inf) -> Admitted:
        """Reserve room in every emitter, waiting where that makes sense, at most until `by`; then put.

        A caller that is cancelled while it waits was never heard: what was granted is given back.
        """
        size = record.size_bytes
        verdicts: list[Verdict | Waiter] = []
        try:
            for emitter in self.emitters:
                verdicts.append(emitter.intake.admission.reserve_or_wait(size))  # noqa: PERF401 - read when cancelled
            await self._wait([verdict for verdict in verdicts if isinstance(verdict, Waiter)], by)
        except BaseException:
            for emitter, verdict in zip(self.emitters, verdicts, strict=False):
                if verdict is True:
                    emitter.intake.admission.cancel(size)
                elif isinstance(verdict, Waiter):
                    emitter.intake.admission.abandon(verdict)
            raise
        admitted: Admitted = {}
        commits: list[tuple[Commit, float]] = []
        for emitter, verdict in zip(self.emitters, verdicts, strict=True):
            admitted[emitter], commit = _put(emitter, record, verdict)
            if commit is not None:
                commits.append((commit, emitter.settings.commit_timeout))
        await self._wait_for_commits(commits, by)
        return admitted

    async def _wait_for_commits(self, commits: Sequence[tuple[Commit, float]], by: float) -> None:
        """Wait until a record is safe, at most as long as each emitter allows; it is accepted already."""
        began_at = self._clock.now() if commits else 0.0
        for commit, seconds in commits:
            if not commit.is_done:
                with self._clock.move_on_at(min(by, began_at + seconds)):
                    await commit.wait()

    def offer(self, record: Record) -> Admitted:
        """Put a record wherever there is room now, from any thread."""
        return {emitter: emitter.offer(record) for emitter in self.emitters}

    def refuse(self, record: Record | None, reason: RefusalReason) -> None:
        """Settle a record that nobody was asked to take; None for an event that must not be seen."""
        for emitter in self.emitters:
            emitter.refuse(record, reason)

    def refusals(self, reason: RefusalReason) -> dict[str, str]:
        """Return what to say of an event that all emitters refuse."""
        return self._refusals(dict.fromkeys(self.emitters, reason))

    def is_taken(self, record: Record, admitted: Admitted) -> bool:
        """Tell whether anybody took a record.

        Raises:
            EventRefusedError: nobody did, and an emitter has `overflow="raise"`.
        """
        if any(verdict is True for verdict in admitted.values()):
            return True
        if any(emitter.settings.overflow is Overflow.RAISE for emitter in self.emitters):
            raise EventRefusedError(record.event_id, self._refusals(admitted))
        return False

    async def deliver(self, record: Record, timeout: float) -> None:
        """Admit a record, send it at once, and wait until every collector has it.

        Raises:
            TrackerStateError: there is a `StoreOnly` among the emitters.
            DeliveryTimeout: no answer in time; the record stays queued.
            EventRefusedError: no emitter took it.
            DeliveryError: an emitter refused or dropped it.
        """
        if not all(emitter.can_deliver for emitter in self.emitters):
            raise TrackerStateError("deliver() needs emitters: with StoreOnly, only a relay sees answers")
        by = self._clock.now() + timeout
        receipts = {emitter: emitter.intake.watches.watch_one(record.event_id) for emitter in self.emitters}
        try:
            admitted = await self.admit(record, by)
            taken = [emitter for emitter, verdict in admitted.items() if verdict is True]
            refusals = self._refusals(admitted)
            if not taken:
                raise EventRefusedError(record.event_id, refusals)
            for emitter in taken:
                emitter.intake.hurry()
            with self._clock.move_on_at(by):
                for emitter in taken:
                    await receipts[emitter].settled.wait()
            confirmed = {self._names[emitter]: receipts[emitter] for emitter in taken}
            _check_delivered(record.event_id, confirmed, refusals, timeout)
        finally:
            for emitter in receipts:
                emitter.intake.watches.forget_one(record.event_id)

    async def flush(self, timeout: float) -> DeliveryReport:
        """Send what is stored now at once, and wait until it is settled."""
        by = self._clock.now() + timeout
        intakes = [emitter.intake for emitter in self.emitters]
        # A durable store numbers what it commits.
        watches = [intake.watch_stored(is_committed=await intake.committed(by)) for intake in intakes]
        try:
            for intake in intakes:
                intake.hurry()
            with self._clock.move_on_at(by):
                for watch in watches:
                    await watch.done.wait()
        finally:
            for intake, watch in zip(intakes, watches, strict=True):
                intake.watches.forget(watch)
        return DeliveryReport.total(watch.report() for watch in watches)

    async def _wait(self, waiters: Sequence[Waiter], by: float) -> None:
        """Wait for verdicts in one shared budget: each one's time began when it joined its queue."""
        began_at = self._clock.now()
        for waiter in waiters:
            with self._clock.move_on_at(min(by, began_at + waiter.max_wait)):
                await waiter.decided.wait()

    def _refusals(self, admitted: Admitted) -> dict[str, str]:
        return {
            self._names[emitter]: f"refused, {verdict}"
            for emitter, verdict in admitted.items()
            if verdict is not True
        }


def _never(record: Record) -> bool:  # noqa: ARG001 - stands for `Intake.offer`
    return False


def _unique_names(emitters: Sequence[Outlet]) -> dict[Outlet, str]:
    """Return what to call each emitter: its name, numbered where several have the same."""
    names: dict[Outlet, str] = {}
    for emitter in emitters:
        same = sum(other.name == emitter.name for other in names)
        names[emitter] = f"{emitter.name} ({same + 1})" if same else emitter.name
    return names


def _put(emitter: Outlet, record: Record, verdict: Verdict | Waiter) -> tuple[Verdict, Commit | None]:
    """Put a record where its room was granted; return the verdict, and what it waits for to be safe."""
    admission = emitter.intake.admission
    if isinstance(verdict, Waiter):
        verdict = admission.give_up(verdict) if verdict.verdict is None else verdict.verdict
    if verdict is True:
        with admission.lock:
            if not admission.is_closed:
                return True, emitter.intake.put(record, record.size_bytes)
        admission.cancel(record.size_bytes)  # closed between the grant and now
        verdict = RefusalReason.CLOSED
    emitter.refuse(record, verdict)
    return verdict, None


def _check_delivered(
    event_id: str, receipts: dict[str, Receipt], refusals: dict[str, str], timeout: float
) -> None:
    failed = dict(refusals)
    late = {}
    for name, receipt in receipts.items():
        if not receipt.settled.is_set():
            late[name] = "no answer yet"
        elif receipt.drop is not None:
            failed[name] = receipt.drop
    if failed:
        raise DeliveryError(event_id, {**failed, **late})
    if late:
        raise DeliveryTimeout(event_id, late, timeout)
