"""A tracker on a workbench: fake time, fake collectors, and accounts that are checked to the event."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from aiotracker import Emitter, Event, MemoryStore, PageView, Tracker
from aiotracker.protocol.record import Record
from tests.fakes.clock import FakeClock, settle
from tests.fakes.transport import FakeTransport, Step

T = TypeVar("T")

COLLECTOR = "https://collector.acme.com"


def view(name: object = "home", **fields: Any) -> PageView:
    """Return a page view that `Sent.pages` tells apart by its name."""
    return PageView(page_url=f"https://acme.com/{name}", **fields)


def padded(size: int, name: object = "home") -> PageView:
    """Return a page view with so many bytes of title."""
    return view(name, page_title="x" * size)


def record_of(event: Event, tracker: Tracker | None = None) -> Record:
    """Return an event as a tracker encodes it."""
    record = (tracker or Tracker("bench", Emitter(COLLECTOR)))._record(event)
    assert isinstance(record, Record)
    return record


def record_bytes(event: Event) -> int:
    """Return how many bytes of a body an event of a bench's tracker takes up."""
    return record_of(event).size_bytes


@dataclass
class Bench:
    """One tracker and everything around it.

    Attributes:
        is_exact: False where the engine was made to fail between an answer and its entry.
        is_shared: True where others use the store, so that its books are those of all together.
    """

    clock: FakeClock
    tracker: Tracker
    emitters: Sequence[Emitter]
    transports: Sequence[FakeTransport]
    is_exact: bool = field(default=True, kw_only=True)
    is_shared: bool = field(default=False, kw_only=True)

    @property
    def emitter(self) -> Emitter:
        """The first emitter."""
        return self.emitters[0]

    @property
    def transport(self) -> FakeTransport:
        """The first emitter's collector."""
        return self.transports[0]

    async def track(self, *names: object) -> list[str | None]:
        """Track one page view per name."""
        return [await self.tracker.track(view(name)) for name in names]

    async def flush(self) -> None:
        """Send what waits, without letting time pass."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.tracker.flush)
            await settle()
            tasks.cancel_scope.cancel()

    def check(self) -> None:
        """Check the two equations of the accounts, and that store and collector say the same."""
        for emitter, transport in zip(self.emitters, self.transports, strict=True):
            stats = emitter.stats()
            backlog = emitter.event_store.backlog()
            refused, dropped = sum(stats.refused.values()), sum(stats.dropped.values())
            assert stats.offered == stats.accepted + refused
            if self.is_shared:
                continue
            assert stats.accepted == stats.delivered + dropped + stats.buffered + stats.in_flight
            assert (backlog.events, backlog.leased) == (stats.buffered, stats.in_flight)
            if self.is_exact:
                assert len(transport.delivered) == stats.delivered
            assert len(transport.delivered) >= stats.delivered
            if isinstance(emitter.event_store, MemoryStore):
                held = emitter.event_store._held_events
                assert backlog.events + backlog.leased == held, "room was reserved and never returned"


class TrackWith:
    """Builds benches, and checks the accounts of every one when the test is over."""

    def __init__(self) -> None:
        self.benches: list[Bench] = []

    async def __call__(
        self,
        steps: Iterable[Step] = (),
        *,
        default: Step = 200,
        several: Sequence[Mapping[str, Any]] = ({},),
        tracker: Mapping[str, Any] | None = None,
        clock: FakeClock | None = None,
        **emitter: Any,
    ) -> Bench:
        """Return a bench whose tracker is open; the arguments are those of `build()`."""
        bench = self.build(steps, default=default, several=several, tracker=tracker, clock=clock, **emitter)
        await bench.tracker.open()
        return bench

    def build(
        self,
        steps: Iterable[Step] = (),
        *,
        default: Step = 200,
        several: Sequence[Mapping[str, Any]] = ({},),
        tracker: Mapping[str, Any] | None = None,
        clock: FakeClock | None = None,
        **emitter: Any,
    ) -> Bench:
        """Return a bench with a tracker that is not open.

        Args:
            steps: what the first collector answers, in order.
            default: what every collector answers after that.
            several: one mapping of settings per emitter.
            tracker: settings of the tracker.
            clock: shared with another bench.
            emitter: settings of every emitter.
        """
        clock = clock or FakeClock()
        transports = [FakeTransport(clock, default=default) for _ in several]
        transports[0].steps.extend(steps)
        emitters = [
            Emitter(f"https://c{number}.acme.com", transport=transport, **{**emitter, **own})
            for number, (transport, own) in enumerate(zip(transports, several, strict=True))
        ]
        built = Tracker("bench", emitters, clock=clock, **(tracker or {}))
        bench = Bench(clock, built, emitters, transports)
        self.benches.append(bench)
        return bench

    async def finish(self) -> None:
        """Check every bench, close its tracker at once, and check it again."""
        for bench in self.benches:
            await settle()
            try:
                bench.check()
            finally:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(bench.tracker.aclose, 0)
                    await bench.clock.advance(0.3)  # what closing may take beyond its time
            bench.check()


class Call(Generic[T]):
    """A call that runs in the background."""

    def __init__(self, function: Callable[[], Awaitable[T]]) -> None:
        self._function = function
        self.scope = anyio.CancelScope()
        self.is_done = False
        self.is_cancelled = False
        self.error: BaseException | None = None
        self._result: list[T] = []

    @property
    def result(self) -> T:
        """What it returned; raises what it raised."""
        if self.error is not None:
            raise self.error
        return self._result[0]

    async def run(self) -> None:
        """Make the call and keep what comes of it."""
        try:
            with self.scope:
                self._result.append(await self._function())
            self.is_cancelled = not self._result
        except Exception as error:  # noqa: BLE001 - looked at by the test
            self.error = error
        finally:
            self.is_done = True


async def begin(tasks: TaskGroup, function: Callable[[], Awaitable[T]]) -> Call[T]:
    """Start a call in the background and let it come as far as it can."""
    call = Call(function)
    tasks.start_soon(call.run)
    await settle()
    return call
