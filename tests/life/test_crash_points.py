"""A crash at every single await of transport and store: the engine restarts and loses nothing."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from aiotracker import DropReason, Lease, MemoryStore
from aiotracker.protocol.exchange import Reply, Request
from tests.fakes.bench import TrackWith, view
from tests.fakes.clock import FakeClock, settle
from tests.fakes.transport import FakeTransport

T = TypeVar("T")

EVENTS = 12


class Crash(BaseException):
    """What nobody expects, and no `except Exception` catches."""


class Fuse:
    """Counts awaits and blows at one of them, before or after what is awaited."""

    def __init__(self, at: int, crash: type[BaseException], *, is_after: bool) -> None:
        self.at = at
        self.crash = crash
        self.is_after = is_after
        self.count = 0

    async def guard(self, step: Callable[[], Awaitable[T]]) -> T:
        """Await a step, unless the fuse blows."""
        number = self.count
        self.count += 1
        if number == self.at and not self.is_after:
            raise self.crash("injected")
        result = await step()
        if number == self.at:
            raise self.crash("injected")
        return result


class FusedStore(MemoryStore):
    """A store whose every await may crash."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse

    async def lease(self, max_events: int, max_bytes: int) -> Lease | None:
        """Crash, or lease."""
        return await self._fuse.guard(lambda: super(FusedStore, self).lease(max_events, max_bytes))

    async def ack(self, lease: Lease) -> int:
        """Crash, or forget."""
        return await self._fuse.guard(lambda: super(FusedStore, self).ack(lease))

    async def release(self, lease: Lease) -> None:
        """Crash, or take back."""
        await self._fuse.guard(lambda: super(FusedStore, self).release(lease))

    async def reject(self, lease: Lease, reason: DropReason, detail: str = "") -> int:
        """Crash, or give up."""
        return await self._fuse.guard(lambda: super(FusedStore, self).reject(lease, reason, detail))

    async def reclaim(self) -> int:
        """Crash, or take every lease back."""
        return await self._fuse.guard(lambda: super(FusedStore, self).reclaim())


class FusedTransport(FakeTransport):
    """A transport whose every send may crash."""

    def __init__(self, clock: FakeClock, fuse: Fuse) -> None:
        super().__init__(clock)
        self._fuse = fuse

    async def send(self, request: Request) -> Reply:
        """Crash, or answer."""
        return await self._fuse.guard(lambda: super(FusedTransport, self).send(request))


async def played(track_with: TrackWith, fuse: Fuse) -> tuple[set[str | None], set[str], dict[str, int], int]:
    """Play a program with a retry, a split and a rejection; return ids, arrivals, drops and what is left."""
    # A store that did its work and then failed leaves nobody to say whether it did: only the transport.
    store = MemoryStore() if fuse.is_after else FusedStore(fuse)
    bench = track_with.build(batch_size=4, concurrency=2, event_store=store)
    bench.is_exact = False
    transport = FusedTransport(bench.clock, fuse)
    transport.steps.extend([503, 413])
    bench.emitter._transport, bench.transports = transport, [transport]
    await bench.tracker.open()
    ids: set[str | None] = set()
    for number in range(EVENTS):
        ids.add(await bench.tracker.track(view(number)))
        await bench.clock.advance(0.05)
    await bench.clock.advance(120)
    await settle()
    stats = bench.emitter.stats()
    bench.check()
    return (
        ids,
        transport.delivered_ids,
        {str(k): v for k, v in stats.dropped.items()},
        stats.buffered + stats.in_flight,
    )


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("crash", [RuntimeError, SystemExit, Crash])
async def test_no_await_loses_an_event_by_crashing(
    track_with: TrackWith, crash: type[BaseException], *, is_after: bool
) -> None:
    """For every await in turn: the crash costs a restart and perhaps a second sending, never an event."""
    whole = Fuse(-1, crash, is_after=is_after)
    await played(track_with, whole)

    for number in range(whole.count):
        ids, arrived, dropped, left = await played(track_with, Fuse(number, crash, is_after=is_after))

        assert (ids, {}, 0) == (arrived, dropped, left), f"await {number}"
