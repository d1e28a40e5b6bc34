"""Random days of two services on one durable place: nothing is lost, whoever sends it, whatever is away."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from aiotracker import CollectorURL, Emitter, MemoryStore, Tracker, scope
from aiotracker.protocol.exchange import Reply, Request, Response
from tests.fakes.bench import begin, view
from tests.fakes.clock import FakeClock
from tests.fakes.durable import FakeDurableStore
from tests.fakes.transport import Sent
from tests.model.test_model import EXAMPLES

LONG = 2_000.0  # seconds in which everything that is well again is delivered


@dataclass(frozen=True)
class Step:
    """Something that happens to one of the services.

    Attributes:
        what: `track` so many events; let the place be `away` or `back`; `commit` what is volatile; let the
            leases `expire`; have the collector be `down` or `up`; let time `pass`; `reopen` the tracker;
            `look` at what others did.
        who: which service.
        count: events, or tenths of a second.
    """

    what: Literal["track", "away", "back", "commit", "expire", "down", "up", "pass", "reopen", "look"]
    who: int
    count: int


WHATS = ("away", "back", "commit", "down", "expire", "look", "pass", "pass", "reopen", "track", "track", "up")
STEPS = st.builds(
    Step,
    st.sampled_from(WHATS),
    st.integers(0, 1),
    st.integers(1, 12),
)


@dataclass
class Collector:
    """A transport that all services share, which answers when it is up, after a while."""

    clock: FakeClock
    is_up: bool = True
    kept: list[str] = field(default_factory=list)

    async def open(self, url: CollectorURL) -> None:
        """Get ready."""

    async def aclose(self) -> None:
        """Close."""

    async def send(self, request: Request) -> Reply:
        """Take a request, if up."""
        is_up = self.is_up
        await self.clock.sleep(0.2)
        if not is_up:
            return Response(503)
        self.kept += Sent.read(request, self.clock.now()).ids
        return Response(200)


class Service:
    """A tracker on the place."""

    def __init__(self, number: int, clock: FakeClock, place: MemoryStore, collector: Collector) -> None:
        """Build it; it is not open."""
        self.store = FakeDurableStore(place)
        self.emitter = Emitter(
            f"https://c{number}.acme.com",
            transport=collector,
            event_store=self.store,
            batch_size=5,
            concurrency=2,
            commit_timeout=0.5,
        )
        self.tracker = Tracker(f"service {number}", self.emitter, clock=clock)
        self.tracked: list[str] = []

    async def track(self, number: int) -> None:
        """Track one event, every third without consent, and note the id."""
        with scope(anonymous=number % 3 == 0):
            event_id = await self.tracker.track(view(number))
        if event_id is not None:
            self.tracked.append(event_id)


class World:
    """Two services, one place, one collector."""

    def __init__(self) -> None:
        """Build it."""
        self.clock = FakeClock()
        self.place = MemoryStore(10**6, 10**9)
        self.collector = Collector(self.clock)
        self.services = [Service(number, self.clock, self.place, self.collector) for number in range(2)]
        self.numbers = itertools.count()
        self.may_repeat = False

    async def play(self, program: list[Step]) -> None:
        """Play a day, and let everything be well in the end."""
        async with anyio.create_task_group() as tasks:
            for service in self.services:
                await service.tracker.open()
            for step in program:
                await self._step(tasks.start_soon, self.services[step.who], step)
                self.check()
            self.collector.is_up = True
            for service in self.services:
                self._come_back(service)
            await self.clock.advance(LONG)
            for service in self.services:
                service.store.look()
            await self.clock.advance(LONG)
            self.check()
            self.check_end()
            for service in self.services:
                await self._close(tasks.start_soon, service)

    @staticmethod
    def _come_back(service: Service) -> None:
        service.store.is_away, service.store.is_automatic = False, True
        service.store.commit()
        service.store.look()

    async def _step(self, start: Callable[..., object], service: Service, step: Step) -> None:
        store = service.store
        match step.what:
            case "track":
                for _ in range(step.count):
                    start(service.track, next(self.numbers))
                await self.clock.advance(0)
            case "away":
                store.is_away = True
            case "back":
                store.is_away = False
                store.commit()
            case "commit":
                store.commit()
            case "expire":
                self.may_repeat = True
                store.expire()
            case "down" | "up":
                self.collector.is_up = step.what == "up"
            case "pass":
                await self.clock.advance(step.count / 10)
            case "look":
                store.look()
            case "reopen":
                self._come_back(service)  # what cannot be made safe would be given up, and rightly
                await self._close(start, service)
                await service.tracker.open()

    async def _close(self, start: Callable[..., object], service: Service) -> None:
        async with anyio.create_task_group() as tasks:
            call = await begin(tasks, lambda: service.tracker.aclose(1.0))
            await self.clock.advance(1.5)
            assert call.is_done, "closing keeps its deadline"

    def check(self) -> None:
        """Check what holds at every moment."""
        for service in self.services:
            stats = service.tracker.stats()
            assert stats.offered == stats.accepted + sum(stats.refused.values())
            assert {} == dict(stats.dropped)
            assert min(stats.delivered, stats.buffered, stats.in_flight, stats.volatile) >= 0

    def check_end(self) -> None:
        """Check that everything has arrived, and that the books of both together say so."""
        tracked = {event_id for service in self.services for event_id in service.tracked}
        everything = [service.tracker.stats() for service in self.services]
        accepted = sum(stats.accepted for stats in everything)
        assert set(self.collector.kept) == tracked
        assert self.may_repeat or len(self.collector.kept) == len(tracked)
        assert accepted == len(tracked) == sum(stats.delivered for stats in everything)
        assert [(0, 0, 0)] * 2 == [(s.buffered, s.in_flight, s.volatile) for s in everything]
        assert (0, 0) == (self.place.backlog().events, self.place.backlog().leased)


@settings(max_examples=EXAMPLES // 3)
@given(st.lists(STEPS, max_size=25))
async def test_every_event_of_a_shared_place_arrives(program: list[Step]) -> None:
    """Leases that expire, a place that is away and a collector that is down lose nothing."""
    await World().play(program)
