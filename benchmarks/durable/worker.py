"""One process of the benchmark: a service that tracks into a store, or a relay that drains it.

It speaks the protocol of `benchmarks.speed.protocol`, with commands of its own:

    {"do": "track", "store": "sqlite:///…", "events": 100000, "producers": 100}
        → {"ok": true, "wall_seconds": 2.1, "cpu_seconds": 2.9, "offered": 100000, "refused": 0,
           "latency_us": {"p50": 900.0, "p99": 2100.0, "max": 9000.0}}       every call waits for its commit
    {"do": "fill", "store": "…", "events": 1000000}         → {"ok": true, "held": 1000000}
    {"do": "depth", "store": "…", "events": 5000}           → {"ok": true, "put_us": 21.0, "settle_us": 9.0}
        the cost of one event at the depth that the store has: put and committed; leased and acknowledged
    {"do": "drain", "store": "…", "collector": "http://…", "concurrency": 4, "transport": "httpx",
     "expect": 1000000}
        → {"ok": true, "wall_seconds": 18.2, "cpu_seconds": 17.5, "offered": 1000000, "rss_mib": 71.0}
        from the opening of the relay until the store is empty; `rss_mib` is the largest of the process

Source of the events: `benchmarks.speed.workloads`, the page view with a subject of the tracker.
"""

from __future__ import annotations

import asyncio
import math
import resource
import time
from typing import TYPE_CHECKING, Final

from aiotracker import (
    AiohttpTransport,
    Emitter,
    EventStore,
    HttpxTransport,
    PageView,
    Relay,
    StoreOnly,
    Subject,
    Tracker,
)
from aiotracker.clock import SystemClock
from aiotracker.stores import store_of
from aiotracker.testing import RecordingHost
from benchmarks.speed.protocol import Command, Reply, Stopwatch, latencies, serve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiotracker.protocol.record import Record

LARGE: Final = 64 * 2**30  # bytes: the bound of a store is not what is measured
MANY: Final = 100_000_000  # events, likewise
GROUP: Final = 5_000  # events of one group when a store is filled
BATCH: Final = (500, 180_000)  # events and bytes of a lease
TRANSPORTS: Final = {"httpx": HttpxTransport, "aiohttp": AiohttpTransport}


def store_at(url: str) -> EventStore:
    """Return a store without a bound that matters."""
    bound = f"max_bytes={LARGE}" if url.startswith("sqlite") else f"max_events={MANY}"
    return store_of(f"{url}{'&' if '?' in url else '?'}{bound}")


def page_view(number: int) -> PageView:
    """Return the event with a number."""
    return PageView(
        page_url=f"https://shop.acme.com/products/{number}?ref=mail",
        page_title=f"Product {number}",
        referrer="https://shop.acme.com/",
    )


def tracker_on(store: EventStore) -> Tracker:
    """Return a tracker that leaves sending to others."""
    subject = Subject(user_id="user-17", ip_address="203.0.113.7", lang="de-DE", timezone="Europe/Berlin")
    outlet = StoreOnly(store, max_wait=math.inf, commit_timeout=60.0)
    return Tracker("bench", outlet, app_id="shop", subject=subject)


def record_of() -> Record:
    """Return one record as such a tracker makes it."""
    tracker = Tracker("bench", Emitter("https://collector.acme.com"), app_id="shop")
    record = tracker._record(page_view(7))  # noqa: SLF001 - exactly what a store is given
    if isinstance(record, str):
        raise TypeError("nothing refuses it")
    return record


def running(do: Callable[[Command], Awaitable[Reply]]) -> Callable[[Command], Reply]:
    """Return what runs one command on a loop of its own."""

    def run(command: Command) -> Reply:
        async def main() -> Reply:
            return await do(command)

        return asyncio.run(main())

    return run


async def track(command: Command) -> Reply:
    """Track events from several producers at once; each call returns when its event is safe."""
    events, producers = command["events"], command["producers"]
    taken: list[int] = []
    refused = 0
    async with tracker_on(store_at(command["store"])) as tracker:

        async def produce(first: int) -> None:
            nonlocal refused
            for number in range(first, events, producers):
                event = page_view(number)
                began = time.perf_counter_ns()
                event_id = await tracker.track(event)
                taken.append(time.perf_counter_ns() - began)
                refused += event_id is None

        with Stopwatch() as watch:
            await asyncio.gather(*(produce(number) for number in range(producers)))
        volatile = tracker.stats().volatile
    return watch.reply(offered=events, refused=refused, volatile=volatile, latency_us=latencies(taken))


async def fill(command: Command) -> Reply:
    """Put records into a store as fast as it takes them."""
    store, host = store_at(command["store"]), RecordingHost(SystemClock())
    await store.open(host)
    record = record_of()
    for begin in range(0, command["events"], GROUP):
        await put(store, record, min(GROUP, command["events"] - begin))
    held = store.backlog().events
    await store.aclose(host.clock.now() + 60)
    return {"held": held, "record_bytes": record.size_bytes}


async def put(store: EventStore, record: Record, events: int) -> None:
    """Put records, and wait until they are safe."""
    commit = None
    for _ in range(events):
        if not store.reserve(record.size_bytes):
            raise RuntimeError("the store is full")
        commit = store.put(record, time.monotonic())
    if commit is not None:
        await commit.wait()


async def depth(command: Command) -> Reply:
    """Measure what one more event costs at the depth that the store has; its depth stays what it is."""
    store, host, events = store_at(command["store"]), RecordingHost(SystemClock()), command["events"]
    await store.open(host)
    record = record_of()
    puts, settles = [], []
    for _ in range(command.get("rounds", 3)):
        began = time.perf_counter()
        await put(store, record, events)
        puts.append(time.perf_counter() - began)
        began, settled = time.perf_counter(), 0
        while settled < events and (lease := await store.lease(*BATCH)) is not None:
            settled += await store.ack(lease)
        settles.append((time.perf_counter() - began) * events / settled)
    await store.aclose(host.clock.now() + 60)
    return {"put_us": min(puts) / events * 1e6, "settle_us": min(settles) / events * 1e6}


async def drain(command: Command) -> Reply:
    """Relay until the store is empty."""
    transport = TRANSPORTS[command.get("transport", "httpx")]()
    emitter = Emitter(
        command["collector"],
        event_store=store_at(command["store"]),
        transport=transport,
        concurrency=command.get("concurrency", 4),
    )
    relay = Relay(emitter)
    with Stopwatch() as watch:
        async with relay:
            await relay.drained()
    stats = relay.stats()
    rss_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return watch.reply(offered=stats.delivered, refused=sum(stats.dropped.values()), rss_mib=rss_mib)


if __name__ == "__main__":
    serve(
        {
            "hello": lambda _: {},
            "track": running(track),
            "fill": running(fill),
            "depth": running(depth),
            "drain": running(drain),
        }
    )
