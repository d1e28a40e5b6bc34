"""The tracker: merges, encodes and puts events. The façade over everything below it.

`track()` never talks to the collector. It validates and encodes (the event's own mistakes raise here),
reserves room in every emitter, and puts the record into those that granted it, without suspending.
"""

from __future__ import annotations

import functools
import os
import sys
import traceback
import uuid
import warnings
from typing import TYPE_CHECKING, Final, Self

import anyio
import anyio.lowlevel

from aiotracker._version import __version__
from aiotracker.clock import SystemClock
from aiotracker.delivery.emitter import Emitter
from aiotracker.delivery.fanout import Fanout
from aiotracker.delivery.log import LOGGER, DeliveryLog
from aiotracker.delivery.outlet import Outlet
from aiotracker.errors import (
    ConfigurationError,
    EventRefusedError,
    EventTooLargeError,
    ForkedTrackerError,
    InvalidEventError,
    Problem,
    TrackerNotOpenError,
    TrackerOpenError,
    WrongLoopError,
    shown,
)
from aiotracker.event_ids import EventIds
from aiotracker.events import Event
from aiotracker.hooks import Hooks
from aiotracker.policy.reasons import RefusalReason
from aiotracker.protocol import fields
from aiotracker.protocol.encoding import Encoding, encode, largest_fields
from aiotracker.protocol.layer import Layer
from aiotracker.protocol.rules import normal
from aiotracker.scope import current_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from aiotracker.clock import Clock
    from aiotracker.delivery.fanout import Admitted
    from aiotracker.delivery.report import DeliveryReport, Health
    from aiotracker.delivery.statistics import Statistics
    from aiotracker.events.base import Entities
    from aiotracker.hooks import BeforeTrack, ContextGenerator
    from aiotracker.protocol.fields import Field
    from aiotracker.protocol.record import Record
    from aiotracker.runtime import Loop
    from aiotracker.subject import Subject

__all__ = ["Tracker"]

TRACKER_VERSION: Final = f"aiotracker-{__version__}"
CLOSE_SECONDS: Final = 5.0  # fits well into the 30 s that Kubernetes gives a process
CALLS_PER_YIELD: Final = 32
"""A loop that only tracks lets others run this often: 32 events take less than half a millisecond."""


class Tracker:
    """Tracks events.

        async with Tracker("web", "https://collector.acme.com", app_id="shop") as tracker:
            await tracker.track(PageView(page_url="https://acme.com/"))

    Use it from the loop that it was opened on; `track_nowait()` works from any thread.
    """

    def __init__(
        self,
        namespace: str,
        emitters: str | Outlet | Sequence[str | Outlet],
        *,
        app_id: str | None = None,
        platform: str = "srv",
        subject: Subject | None = None,
        context: Entities = (),
        anonymous: bool = False,
        encode_base64: bool | None = None,
        json_encoder: Callable[[object], object] | None = None,
        context_generator: ContextGenerator | None = None,
        before_track: BeforeTrack | None = None,
        sample_rate: float | Mapping[str, float] = 1.0,
        enabled: bool = True,
        clock: Clock | None = None,
    ) -> None:
        """Describe a tracker; nothing is sent before it is opened.

        Args:
            namespace: name of this tracker, 1 to 128 characters.
            emitters: the collector's address, an `Emitter`, a `StoreOnly`, or several of them; each has a
                buffer of its own and gets every event.
            app_id: name of the application, 255 characters.
            platform: where events come from: srv, web, mob, pc, app, tv, cnsl, iot or headset.
            subject: who and where, for every event; a snapshot is taken now.
            context: entities of every event.
            anonymous: track without what identifies a person, and tell the collector to do the same.
            encode_base64: True to write self-describing data as base64 always, False never; by default
                only in GET requests, because it doubles the size of a POST.
            json_encoder: converts objects that have no JSON form, as the `default` of `json.dumps`.
            context_generator: a plain function that returns more entities for an event; when it fails, the
                event goes without them.
            before_track: a plain function that sees every event, with its id and with the subject and the
                entities of tracker and scope merged into it, and returns what is to be sent instead: the
                same event, a changed copy (`event.model_copy(update=…)`), or None to refuse it. When it
                fails, the event is refused. It holds up its caller for as long as it takes.
            sample_rate: the share of events that is kept, 0 to 1, or shares by schema,
                `{"iglu:com.acme/heartbeat/*": 0.01}`: the first pattern that matches counts. Visitors are
                kept or left out as a whole, by `domain_user_id` or `user_id`.
            enabled: False to check events and send none.
            clock: what time it is; for tests.
        Raises:
            ConfigurationError: an argument that cannot work.
        """
        self.namespace: str = str(_checked("namespace", fields.NAMESPACE, namespace))
        self._clock = clock or SystemClock()
        self._fanout = Fanout(_emitters(emitters), namespace=self.namespace, clock=self._clock)
        pairs = {
            fields.TRACKER_VERSION.key: TRACKER_VERSION,
            fields.NAMESPACE.key: self.namespace,
            fields.PLATFORM.key: str(_checked("platform", fields.PLATFORM, platform)),
        }
        if app_id is not None:
            pairs[fields.APP_ID.key] = str(_checked("app_id", fields.APP_ID, app_id))
        hooks = Hooks(
            base=Layer(pairs, (), anonymous),
            log=DeliveryLog(self._clock, f"tracker {self.namespace}"),
            before_track=before_track,
            context_generator=context_generator,
            sample_rate=sample_rate,
        )
        self._hooks = None if hooks.is_idle else hooks
        self._is_enabled = enabled
        if subject is not None:
            pairs.update(subject.pairs())
        self._layer = Layer(pairs, tuple(context), anonymous)
        self._encoding = Encoding(encode_base64 is True, json_encoder)
        self._get_base64 = encode_base64 is not False
        self._loop: Loop | None = None
        self._pid = 0
        self._ids = EventIds()
        self._is_open = False
        self._calls = 0
        # Walked now, read from the source files only if it is ever shown.
        self._created = traceback.StackSummary.extract(
            traceback.walk_stack(None), limit=8, lookup_lines=False
        )

    # -- life -----------------------------------------------------------------------------------------

    async def open(self) -> Self:
        """Start delivering, on the current loop.

        Raises:
            TrackerOpenError: it is open already.
        """
        if self._is_open and not self._fanout.is_forked:
            raise TrackerOpenError(f"the tracker {self.namespace!r} is already open", "open it once")
        from aiotracker.runtime import current_loop  # asyncio comes with it: not before it is needed

        loop = current_loop()
        await self._fanout.open(loop=loop, get_base64=self._get_base64)
        self._ids = EventIds()  # of this process
        self._is_open = True
        self._loop = loop
        self._pid = os.getpid()  # last: from now on other threads are let in
        return self

    async def aclose(self, timeout: float = CLOSE_SECONDS) -> DeliveryReport:
        """Take no more events, deliver what is left, and stop.

        Whatever cancels the caller meanwhile is raised when the wait is over, so the drain is never cut
        short. A second call changes nothing.

        Args:
            timeout: seconds for everything; what is left then is dropped as `shutdown_deadline`.
        Returns:
            What became of the events that were left.
        """
        loop = self._loop
        if loop is None or not self._is_open:
            return self._fanout.last_report
        if self._fanout.is_forked:  # the events are the parent's
            self._is_open = False
        elif loop.is_closed():
            self._is_open = False
            await self._fanout.settle_abandoned()
        elif not loop.is_current():
            raise WrongLoopError(self.namespace)
        else:
            try:
                await self._fanout.aclose(loop, self._clock.now() + timeout)
            finally:
                self._is_open = False
        return self._fanout.last_report

    async def __aenter__(self) -> Self:
        """Open the tracker."""
        return await self.open()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the tracker; an exception of the block always comes through."""
        try:
            await self.aclose()
        except anyio.get_cancelled_exc_class():
            if exc is None:
                raise
            # The block's own exception ends the task just as well, and says more.

    @property
    def last_report(self) -> DeliveryReport:
        """What the last `aclose()`, or leaving `async with`, left behind."""
        return self._fanout.last_report

    def __del__(self) -> None:
        """Warn of a tracker that was forgotten open, and have its engines finish. Nothing is sent here."""
        loop = getattr(self, "_loop", None)  # an __init__ that raised leaves nothing behind
        if loop is None or not self._is_open or self._fanout.is_forked:
            return
        if sys.is_finalizing():
            return  # what could be told was told at exit, and the modules that tell are being taken apart
        stats = self.stats()
        waiting = stats.buffered + stats.in_flight
        message = f"the tracker {self.namespace!r} was not closed, {waiting} events were waiting"
        origin = "".join(self._created.format())
        warnings.warn(
            f"{message}: use `async with`, or `await tracker.aclose()`. It was created here:\n{origin}",
            ResourceWarning,
            stacklevel=1,
            source=self,
        )
        LOGGER.warning("%s: use `async with`, or `await tracker.aclose()`", message)
        loop.call_soon(functools.partial(self._fanout.close, self._clock.now() + CLOSE_SECONDS))

    # -- events ---------------------------------------------------------------------------------------

    async def track(self, event: Event) -> str | None:
        """Take an event; it is delivered in the background.

        Waits only for room in a full buffer, at most the emitters' `max_wait`; with a durable store, then
        for the event to be safe there, at most `commit_timeout`. A caller that is cancelled while it waits
        for room was never heard: the event is not taken. Later, it is.

        Returns:
            The event's id when at least one emitter accepted it, which is final; None when none did.
        Raises:
            InvalidDataError: data without a JSON form.
            EventTooLargeError: more bytes than a request may have; counted as refused `oversize`.
            EventRefusedError: no emitter accepted it, and one has `overflow="raise"`.
            TrackerNotOpenError: the tracker was never opened.
            WrongLoopError: it was opened on another loop.
        """
        self._check_loop()
        record = self._record(event)
        if isinstance(record, RefusalReason):
            return None
        self._calls += 1
        if self._calls % CALLS_PER_YIELD == 0:
            await anyio.lowlevel.checkpoint()
        if self._fanout.put(record):
            return record.event_id
        return self._concluded(record, await self._fanout.admit(record))

    def track_nowait(self, event: Event) -> str | None:
        """Take an event without waiting for room; for synchronous code, from any thread.

        Returns:
            As `track()`.
        Raises:
            As `track()`, except that every thread and loop is the right one.
        """
        self._check_process()
        record = self._record(event)
        if isinstance(record, RefusalReason):
            return None
        return self._concluded(record, self._fanout.offer(record))

    async def deliver(self, event: Event, timeout: float = 10.0) -> str:
        """Take an event, send it at once, and return when every collector has it.

        For the few events that a request must not succeed without; `track()` is for all others.

        Args:
            event: what happened.
            timeout: seconds to wait for the collectors.
        Returns:
            The event's id.
        Raises:
            DeliveryTimeout: a collector has not answered; the event stays queued there.
            TrackerStateError: a `StoreOnly` is among the emitters, which sees no answers.
            EventRefusedError: no emitter accepted the event.
            DeliveryError: an emitter refused or dropped it.
            As `track()`, for mistakes.
        """
        self._check_loop()
        record = self._record(event)
        if isinstance(record, RefusalReason):
            raise EventRefusedError(str(event.event_id or "without an id"), self._fanout.refusals(record))
        await self._fanout.deliver(record, timeout)
        return record.event_id

    async def flush(self, timeout: float = 5.0) -> DeliveryReport:
        """Send what was accepted so far without waiting for batches to fill, and wait for it.

        A backoff is cut short once; a server's `Retry-After` is not.

        Args:
            timeout: seconds to wait; what is not settled then stays queued.
        Returns:
            What became of the events that were accepted before the call.
        """
        self._check_loop()
        if not self._is_open:
            return self._fanout.last_report
        return await self._fanout.flush(timeout)

    # -- what it knows --------------------------------------------------------------------------------

    def stats(self) -> Statistics:
        """Return the sums of the emitters' accounts: an event counts once for each emitter."""
        return self._fanout.stats()

    @property
    def emitters(self) -> tuple[Outlet, ...]:
        """The emitters, each with accounts and health of its own."""
        return self._fanout.emitters

    def health(self) -> Health:
        """Return the worst health of the emitters, for a readiness probe."""
        return self._fanout.health()

    @staticmethod
    def get_uuid() -> str:
        """Return a fresh UUID, version 4."""
        return str(uuid.uuid4())

    # -- steps ----------------------------------------------------------------------------------------

    def _check_process(self) -> None:
        if self._loop is None:
            raise TrackerNotOpenError(self.namespace)
        if self._pid != os.getpid():
            raise ForkedTrackerError(self.namespace)

    def _check_loop(self) -> None:
        if self._loop is not None and self._loop.is_current():
            return  # and so in the process that opened it: a system call less for every event
        self._check_process()
        if self._is_open:
            raise WrongLoopError(self.namespace)

    def _record(self, event: Event) -> Record | RefusalReason:
        if not isinstance(event, Event):
            rule = "must be an event, such as PageView(page_url=…)"
            raise InvalidEventError("track()", [Problem("event", shown(event), rule)])
        event_id, tracker, scope = self._ids.take(), self._layer, current_scope()
        if self._hooks is not None:
            prepared = self._hooks.apply(event, event_id, tracker, scope)
            if isinstance(prepared, RefusalReason):
                self._fanout.refuse(None, prepared)
                return prepared
            event, tracker, scope = prepared.event, prepared.tracker, prepared.scope
        record = encode(
            event,
            event_id=event_id,
            created_ms=self._clock.wall_ms(),
            tracker=tracker,
            scope=scope,
            encoding=self._encoding,
        )
        if len(record.data) > self._fanout.safe_bytes:
            self._check_size(record)
        if not self._is_enabled:
            self._fanout.refuse(record, RefusalReason.DISABLED)
            return RefusalReason.DISABLED
        return record

    def _check_size(self, record: Record) -> None:
        excess = [
            found
            for emitter in self.emitters
            if (found := emitter.oversize(record, get_base64=self._get_base64)) is not None
        ]
        if excess:
            self._fanout.refuse(record, RefusalReason.OVERSIZE)
            size, limit = min(excess, key=lambda found: found[1])
            raise EventTooLargeError(size, limit, largest_fields(record.data))

    def _concluded(self, record: Record, admitted: Admitted) -> str | None:
        return record.event_id if self._fanout.is_taken(record, admitted) else None


def _checked(setting: str, field: Field, value: object) -> object:
    if value == "" or value is None:
        raise ConfigurationError(setting, value, "must not be empty")
    try:
        return normal(field, value)
    except ValueError as error:
        raise ConfigurationError(setting, value, str(error)) from error


def _emitters(given: str | Outlet | Sequence[str | Outlet]) -> tuple[Outlet, ...]:
    several = [given] if isinstance(given, str | Outlet) else list(given)
    if not several:
        raise ConfigurationError("emitters", given, "must name a collector, or there is nobody to tell")
    return tuple(one if isinstance(one, Outlet) else Emitter(one) for one in several)
