"""The world of a random program: a collector with whims, and a ledger of every single event.

It knows nothing of how delivery works. It knows what was called, what crossed the wire and what the
callbacks said, and checks after every step that these three can be true together.
"""

from __future__ import annotations

import functools
import uuid
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from anyio.abc import TaskGroup

from aiotracker import (
    CollectorURL,
    DeliveryError,
    DeliveryTimeout,
    DropReason,
    Emitter,
    EventRefusedError,
    EventTooLargeError,
    MemoryStore,
    Notice,
    PageView,
    RefusalReason,
    Subject,
    Tracker,
    scope,
)
from aiotracker.policy.retry_after import retry_after
from aiotracker.protocol.exchange import Failure, FailureKind, Reply, Request, Response
from aiotracker.protocol.record import Record
from tests.fakes.bench import Call, begin
from tests.fakes.clock import FakeClock, settle
from tests.fakes.transport import Sent
from tests.faults.rig import check_accounts
from tests.model.steps import Cancel, Deliver, Flush, Jump, Pass, Reopen, Step, Track, Whim

POISON = "poison"
DELIVERED = "delivered"
SUCCESS = range(200, 300)
GRACE = 0.3  # seconds beyond its deadline that closing may take


class Collector:
    """A transport that follows whims, and checks every request that it gets."""

    def __init__(self, clock: FakeClock, settings: dict[str, Any]) -> None:
        """Begin in a good mood."""
        self.clock = clock
        self.settings = settings
        self.whims: deque[Whim] = deque()
        self.on_their_way: Counter[str] = Counter()
        self.requests = 0
        self.held_until = 0.0
        self.arrived: list[tuple[bool, str]] = []  # kind and id, in the order in which successes were told
        self.kept: set[str] = set()
        self.settled: set[str] = set()
        self.broken: list[
            str
        ] = []  # rules that were broken: a transport's exceptions would be taken for trouble

    async def open(self, url: CollectorURL) -> None:
        """Get ready."""

    async def aclose(self) -> None:
        """Close."""

    async def send(self, request: Request) -> Reply:
        """Check a request and follow the next whim."""
        sent = Sent.read(request, self.clock.now())
        is_anonymous = sent.headers.get("sp-anonymous") == "*"
        self._check(sent, is_anonymous=is_anonymous)
        self.on_their_way.update(sent.ids)
        self.requests += 1
        try:
            whim = self.whims.popleft() if self.whims else Whim(Response(200))
            if whim.is_kept:
                self.kept.update(sent.ids)
            await self.clock.sleep(whim.delay)
            if whim.reply is None:
                await anyio.sleep_forever()
            return self._told(sent, whim.reply or Failure(FailureKind.ERROR), is_anonymous=is_anonymous)
        finally:
            self.on_their_way.subtract(sent.ids)
            self.requests -= 1

    def _told(self, sent: Sent, reply: Reply, *, is_anonymous: bool) -> Reply:
        if isinstance(reply, Failure):
            return reply
        if reply.status in SUCCESS and any(event.get("page") == POISON for event in sent.events):
            reply = Response(400)
        if reply.status in SUCCESS:
            self.kept.update(sent.ids)
            self.arrived.extend((is_anonymous, event_id) for event_id in sent.ids)
            self.settled.update(sent.ids)
        elif self._is_obeyed(reply.status):
            wait = retry_after(reply.headers.get("retry-after"), self.clock.wall_ms())
            self.held_until = max(self.held_until, self.clock.now() + (wait or 0.0))
        return reply

    def _is_obeyed(self, status: int) -> bool:
        """Tell whether a status opens the circuit, so that its `Retry-After` counts."""
        verdict = self.settings["custom_retry_codes"].get(status)
        return verdict is True or (verdict is None and status not in (400, 413, 422))

    def _check(self, sent: Sent, *, is_anonymous: bool) -> None:
        settings = self.settings
        most = 1 if settings["method"] == "get" else settings["batch_size"]
        rules = {
            "a batch has its size": 1 <= len(sent.events) <= most,
            "a body has its limit": len(sent.request.body) <= settings["byte_limit"],
            "a request holds one kind": all(("uid" not in event) == is_anonymous for event in sent.events),
            "an event travels in one request": not any(self.on_their_way[i] > 0 for i in sent.ids),
            "an event travels once in a request": len(set(sent.ids)) == len(sent.ids),
            "what is settled is not sent": not self.settled.intersection(sent.ids),
            "senders are bounded": self.requests < settings["concurrency"],
            # Several senders may have begun, or be searching a batch, when one of them is told to wait.
            "Retry-After is obeyed": self.clock.now() >= self.held_until or settings["concurrency"] > 1,
        }
        self.broken.extend(rule for rule, is_kept in rules.items() if not is_kept)


class Shelf(MemoryStore):
    """A store that remembers in which order records were put: callers that are let in together may race."""

    def __init__(self, max_events: int, max_bytes: int) -> None:
        """Begin empty."""
        super().__init__(max_events, max_bytes)
        self.places: dict[str, int] = {}

    def put(self, record: Record, now: float) -> None:
        """Put a record, and note its place."""
        self.places[record.event_id] = len(self.places)
        super().put(record, now)

    def try_put(self, record: Record, size_bytes: int, now: float) -> bool:
        """As `put()`, if there is room."""
        is_taken = super().try_put(record, size_bytes, now)
        if is_taken:
            self.places[record.event_id] = len(self.places)
        return is_taken


class World:
    """One tracker, and what is known of its events."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Build a tracker that is not open."""
        self.clock = FakeClock()
        self.settings = settings
        self.collector = Collector(self.clock, settings)
        self.store = Shelf(settings["buffer_capacity"], settings["buffer_bytes"])
        self.emitter = Emitter(
            "https://collector.acme.com",
            transport=self.collector,
            on_success=self._note,
            on_failure=self._note,
            on_drop=self._note,
            event_store=self.store,
            **{name: value for name, value in settings.items() if not name.startswith("buffer_")},
        )
        self.tracker = Tracker("model", self.emitter, clock=self.clock)
        self.offers = 0
        self.accepted: set[str] = set()
        self.refused: set[str] = set()
        self.unknown: set[str] = set()  # of calls that were cancelled, heard or not
        self.fates: dict[str, str] = {}
        self.refusals: Counter[str] = Counter()
        self._calls: list[Call[None]] = []

    async def _note(self, notice: Notice) -> None:
        if notice.reason in set(RefusalReason):
            self.refusals[notice.reason] += len(notice.event_ids)
            return
        for event_id in notice.event_ids:
            if event_id in self.fates:
                self.collector.broken.append("an event has one fate")
            self.fates[event_id] = notice.reason or DELIVERED
        self.collector.settled.update(notice.event_ids)

    # -- steps ----------------------------------------------------------------------------------------

    async def play(self, program: list[Step]) -> None:
        """Play a program to its end, and bring everything to a close."""
        await self.tracker.open()
        async with anyio.create_task_group() as tasks:
            for step in program:
                await self._step(tasks, step)
                await settle()
                self.check()
            self.collector.whims.clear()
            given_up = self._given_up
            await self._close(tasks, timeout=1_000.0)
            if self._given_up != given_up:
                self.collector.broken.append("a collector that is well again gets everything")
            tasks.cancel_scope.cancel()
        self.check()
        self._check_end()

    @property
    def _given_up(self) -> int:
        return self.emitter.stats().dropped.get(DropReason.SHUTDOWN_DEADLINE, 0)

    async def _step(self, tasks: TaskGroup, step: Step) -> None:
        match step:
            case Track(count=count):
                for _ in range(count):
                    event = self._event(step)
                    await self._begin(tasks, functools.partial(self._track, event, step))
            case Deliver(timeout):
                event = self._event(Track(10))
                await self._begin(tasks, functools.partial(self._deliver, event, timeout))
            case Flush(timeout):
                await self._begin(tasks, functools.partial(self._flush, timeout))
            case Cancel():
                for call in [call for call in self._calls if not call.is_done][:1]:
                    call.scope.cancel()
            case Reopen(timeout):
                await self._close(tasks, timeout)
                self.collector.held_until = 0.0  # a new opening begins with the best assumptions
                await self.tracker.open()
            case Pass(seconds):
                await self.clock.advance(seconds)
            case Jump(seconds):
                self.clock.set_wall_ms(self.clock.wall_ms() + int(seconds * 1000))
            case Whim():
                self.collector.whims.append(step)

    async def _begin(self, tasks: TaskGroup, function: Callable[[], Awaitable[None]]) -> None:
        self._calls = [call for call in self._calls if not call.is_done]
        call = await begin(tasks, function)
        if call.error is not None:
            raise call.error
        self._calls.append(call)

    def _event(self, step: Track) -> PageView:
        self.offers += 1
        event_id = str(uuid.UUID(int=self.offers << 80, version=4))
        return PageView(
            page_url="https://acme.com/",
            page_title=POISON if step.is_poison else "x" * step.title or None,
            event_id=event_id,
        )

    async def _track(self, event: PageView, step: Track) -> None:
        event_id = str(event.event_id)
        taken: str | None = None
        is_heard = False
        try:
            with scope(anonymous=step.is_anonymous, subject=Subject(user_id="u-1")):
                if step.is_nowait:
                    taken = self.tracker.track_nowait(event)
                else:
                    taken = await self.tracker.track(event)
            is_heard = True
        except (EventTooLargeError, EventRefusedError):
            is_heard = True
        finally:
            if taken is not None:
                self.accepted.add(event_id)
            elif is_heard:
                self.refused.add(event_id)  # a cancelled call was never heard

    async def _deliver(self, event: PageView, timeout: float) -> None:
        event_id = str(event.event_id)
        self.unknown.add(event_id)
        try:
            with scope(subject=Subject(user_id="u-1")):
                await self.tracker.deliver(event, timeout)
        except EventRefusedError:
            self.refused.add(event_id)
        except DeliveryTimeout:
            return  # it may have run out of time before it was heard
        except DeliveryError:
            self.accepted.add(event_id)
        else:
            self.accepted.add(event_id)
            if event_id not in self.collector.kept:
                self.collector.broken.append("what is delivered has arrived")
        self.unknown.discard(event_id)

    async def _flush(self, timeout: float) -> None:
        backlog = self.emitter.event_store.backlog()
        report = await self.tracker.flush(timeout)
        settled = report.delivered + sum(report.dropped.values())
        if backlog.events + backlog.leased != settled + report.remaining:
            self.collector.broken.append("a flush tells of all that was there")

    async def _close(self, tasks: TaskGroup, timeout: float) -> None:
        backlog = self.emitter.event_store.backlog()
        closing = await begin(tasks, functools.partial(self.tracker.aclose, timeout))
        await self.clock.advance(timeout)
        await self.clock.advance(GRACE)
        if not closing.is_done:
            self.collector.broken.append("closing keeps its deadline")
        if not all(call.is_done for call in self._calls):
            self.collector.broken.append("closing ends every call")
        report = closing.result
        settled = report.delivered + sum(report.dropped.values())
        if (settled, report.remaining) != (backlog.events + backlog.leased, 0):
            self.collector.broken.append("closing tells of all that was there")

    # -- rules ----------------------------------------------------------------------------------------

    def check(self) -> None:
        """Check what holds at every moment."""
        assert [] == self.collector.broken
        check_accounts(self.emitter)
        stats = self.emitter.stats()
        fates = Counter(self.fates.values())
        assert stats.delivered == fates.pop(DELIVERED, 0)
        assert stats.dropped == fates
        assert stats.refused == self.refusals
        assert len(self.accepted) <= stats.accepted <= len(self.accepted | self.unknown)
        assert len(self.refused) <= stats.offered - stats.accepted <= len(self.refused | self.unknown)
        assert self.settings["buffer_capacity"] >= stats.buffered + stats.in_flight
        if self.settings["concurrency"] == 1:
            for kind in (True, False):
                arrived = [self.store.places[i] for is_other, i in self.collector.arrived if is_other is kind]
                assert sorted(arrived) == arrived, "one sender keeps the order"

    def _check_end(self) -> None:
        """Check that every event has come to its end."""
        stats = self.emitter.stats()
        delivered = {event_id for event_id, fate in self.fates.items() if fate == DELIVERED}
        assert (0, 0) == (stats.buffered, stats.in_flight)
        assert self.accepted <= set(self.fates) <= self.accepted | self.unknown
        assert delivered == {event_id for _, event_id in self.collector.arrived}
        assert delivered <= self.collector.kept
        assert not any(call.error for call in self._calls)
