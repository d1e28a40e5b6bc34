"""aiotracker: `python -m benchmarks.speed.contenders.ours [--loop uvloop]`.

Settings, all optional: `transport` (httpx or aiohttp), `base64`, and whatever `Emitter` takes.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import math
import os
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiotracker
from aiotracker import (
    Emitter,
    Event,
    HttpxTransport,
    PageView,
    SelfDescribing,
    SelfDescribingJson,
    StructuredEvent,
    Subject,
    Tracker,
    Transport,
)
from benchmarks.speed.contenders.heartbeat import steady
from benchmarks.speed.contenders.transports import Gate
from benchmarks.speed.protocol import Command, Reply, Stopwatch, Unavailable, latencies, runtime, serve
from benchmarks.speed.workloads import (
    APP_ID,
    MIX,
    NAMESPACE,
    ORDER_SCHEMA,
    PLATFORM,
    PRODUCT_SCHEMA,
    SHOPPER_SCHEMA,
    order,
    page_view,
    product,
    shopper,
    structured,
    subject,
    tracker_subject,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
NEVER_SECONDS: Final = 3600.0
NO_ROOM_BYTES: Final = 2**40  # more than is ever tracked
NOBODY: Final = "http://127.0.0.1:9"  # behind a gate that is never opened


# -- events -------------------------------------------------------------------------------------------


def viewed(number: int) -> Event:
    """Return a page view without a subject: the tracker has it."""
    return PageView(**page_view(number))


def viewed_by(number: int) -> Event:
    """Return a page view with a subject of its own."""
    return PageView(**page_view(number), event_subject=Subject(**subject(number)))


def done(number: int) -> Event:
    """Return a structured event."""
    return StructuredEvent(**structured(number))


def ordered(number: int) -> Event:
    """Return a self-describing event with one entity."""
    return SelfDescribing(
        SelfDescribingJson(ORDER_SCHEMA, order(number)),
        context=[SelfDescribingJson(PRODUCT_SCHEMA, product(number))],
    )


def ordered_by(number: int) -> Event:
    """Return a self-describing event with two entities."""
    return SelfDescribing(
        SelfDescribingJson(ORDER_SCHEMA, order(number)),
        context=[
            SelfDescribingJson(PRODUCT_SCHEMA, product(number)),
            SelfDescribingJson(SHOPPER_SCHEMA, shopper(number)),
        ],
    )


EVENTS: Final[Mapping[str, Callable[[int], Event]]] = {
    "page_view": viewed,
    "visitor_page_view": viewed_by,
    "structured": done,
    "self_describing_1": ordered,
    "self_describing_2": ordered_by,
}
_MIXED: Final = tuple(EVENTS[kind] for kind in MIX)


def mixed(number: int) -> Event:
    """Return the event of a mix."""
    return _MIXED[number % 10](number)


def events_of(workload: str) -> Callable[[int], Event]:
    """Return what makes the events of a workload from their numbers."""
    return mixed if workload == "mix" else EVENTS[workload]


# -- trackers -----------------------------------------------------------------------------------------


def transport_of(name: str) -> Transport:
    """Return a transport for a collector on this machine."""
    if name == "httpx":
        return HttpxTransport()
    kind = getattr(aiotracker, "AiohttpTransport", None)
    if kind is None:
        raise Unavailable(f"aiotracker {aiotracker.__version__} has no transport on {name}")
    try:
        transport: Transport = kind()
    except ImportError as error:
        raise Unavailable(str(error)) from error
    return transport


def tracker_of(command: Command, **options: Any) -> Tracker:  # Any: as Emitter takes it
    """Return a tracker for the workload and settings of a command; options replace its settings."""
    settings = {**command["settings"], **options}
    base64 = settings.pop("base64", None)
    if isinstance(settings.get("transport"), str):
        settings["transport"] = transport_of(settings["transport"])
    if settings.get("max_wait") == "inf":
        settings["max_wait"] = math.inf  # JSON has none
    emitter = Emitter(command.get("collector") or NOBODY, **settings)
    who = tracker_subject(command["workload"])
    return Tracker(
        NAMESPACE,
        emitter,
        app_id=APP_ID,
        platform=PLATFORM,
        subject=None if who is None else Subject(**who),
        encode_base64=base64,
    )


def numbers_of(command: Command) -> range:
    """Return the numbers of the events of a command."""
    return range(command["first"], command["first"] + command["events"])


def lost(tracker: Tracker) -> int:
    """Return how many events were refused or given up."""
    stats = tracker.stats()
    return sum(stats.refused.values()) + sum(stats.dropped.values())


def resident_bytes() -> int:
    """Return the memory of this process. Source: proc(5), statm."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


# -- commands -----------------------------------------------------------------------------------------


async def play_round(command: Command) -> Reply:
    """Track with some producers, and deliver."""
    build, numbers = events_of(command["workload"]), numbers_of(command)
    spent: list[int] = []
    producer = produce_timed if command["latencies"] else produce
    count = command["producers"]
    async with tracker_of(command) as tracker:
        with Stopwatch() as watch:
            shares = (numbers[index::count] for index in range(count))
            await asyncio.gather(*[producer(tracker, build, share, spent) for share in shares])
            await tracker.flush(command["timeout"])
        offered, refused = tracker.stats().offered, lost(tracker)
        left = tracker.stats().buffered + tracker.stats().in_flight
    return watch.reply(offered=offered, refused=refused, undelivered=left, latency_us=latencies(spent))


async def produce(
    tracker: Tracker,
    build: Callable[[int], Event],
    numbers: Iterable[int],
    _: list[int],
) -> None:
    """Track the events with these numbers."""
    for number in numbers:
        await tracker.track(build(number))


async def produce_timed(
    tracker: Tracker,
    build: Callable[[int], Event],
    numbers: Iterable[int],
    spent: list[int],
) -> None:
    """Track the events with these numbers, and note what each call took, in nanoseconds."""
    for number in numbers:
        event = build(number)
        began = time.perf_counter_ns()
        await tracker.track(event)
        spent.append(time.perf_counter_ns() - began)


async def make(command: Command) -> Reply:
    """Construct and track, behind a gate that stays shut."""
    build, numbers = events_of(command["workload"]), numbers_of(command)
    tracker = tracker_of(command, **endless(command["events"]), transport=Gate())
    await tracker.open()
    with Stopwatch() as watch:
        for number in numbers:
            await tracker.track(build(number))
    reply = watch.reply(offered=tracker.stats().offered, refused=lost(tracker))
    await tracker.aclose(timeout=0)
    return reply


def endless(events: int) -> dict[str, Any]:
    """Return settings of an emitter that holds so many events, and has one request on its way."""
    return {
        "buffer_capacity": events + 1,
        "buffer_bytes": NO_ROOM_BYTES,
        "byte_limit": 900_000,
        "batch_size": events + 1,
        "flush_interval": NEVER_SECONDS,
        "request_timeout": NEVER_SECONDS,
        "concurrency": 1,
        "exit_flush": False,
    }


async def hold(command: Command) -> Reply:
    """Fill a buffer behind a gate, then open it: memory when full, and time to fill and to drain.

    `{"do": "hold", …}` with the fields of a round; the reply has `fill_seconds`, `fill_cpu_seconds`,
    `held_bytes` (what the process grew by), `payload_bytes` (mean length of an event in a body), and, when
    there is a collector, `drain_seconds` and `drain_cpu_seconds`.
    """
    build, numbers = events_of(command["workload"]), numbers_of(command)
    inner = transport_of(command["settings"].get("transport", "httpx")) if command.get("collector") else None
    gate = Gate(inner)
    settings = endless(command["events"]) | {"batch_size": 500, "concurrency": 4}
    tracker = tracker_of(command, **settings, transport=gate)
    await tracker.open()
    gc.collect()
    before = resident_bytes()
    with Stopwatch() as filling:
        for number in numbers:
            await tracker.track(build(number))
    gc.collect()
    reply: Reply = {
        "events": tracker.stats().accepted,
        "fill_seconds": filling.wall_seconds,
        "fill_cpu_seconds": filling.cpu_seconds,
        "held_bytes": resident_bytes() - before,
        "payload_bytes": gate.mean_payload_bytes,
    }
    if inner is not None:
        with Stopwatch() as draining:
            gate.is_open.set()
            await tracker.flush(command["timeout"])
        gc.collect()
        reply |= {
            "drain_seconds": draining.wall_seconds,
            "drain_cpu_seconds": draining.cpu_seconds,
            "left_bytes": resident_bytes() - before,
            "undelivered": tracker.stats().buffered + tracker.stats().in_flight,
        }
    await tracker.aclose(timeout=0)
    return reply


async def keep_rate(command: Command) -> Reply:
    """Track at a rate while the loop is watched."""
    build = events_of(command["workload"])

    async def run(due: Callable[[], int]) -> Reply:
        number = 0
        async with tracker_of(command) as tracker:
            while (until := due()) >= 0:
                while number < until:
                    await tracker.track(build(number))
                    number += 1
                await asyncio.sleep(0.001)
            await tracker.aclose(command["timeout"])
        return {"offered": tracker.stats().offered, "refused": lost(tracker)}

    return await steady(command, run)


async def outlast(command: Command) -> Reply:
    """Fill the buffer while the collector is away, wait, and deliver when it is back.

    `{"do": "outlast", …}` with the fields of a round, and `seconds`: how long it stays away from the
    command on. The reply has the processor time in three parts: `fill_cpu_seconds`, `outage_cpu_seconds`
    (from the full buffer to the end of the outage), `recovery_cpu_seconds`; and `recovery_seconds`.
    """
    build, numbers = events_of(command["workload"]), numbers_of(command)
    back_at = time.perf_counter() + command["seconds"]
    capacity = {"buffer_capacity": command["events"], "buffer_bytes": NO_ROOM_BYTES}
    async with tracker_of(command, **capacity) as tracker:
        with Stopwatch() as filling:
            for number in numbers:
                await tracker.track(build(number))
        with Stopwatch() as waiting:
            await asyncio.sleep(back_at - time.perf_counter())
        requests = tracker.stats().requests
        with Stopwatch() as recovering:
            await tracker.flush(command["timeout"])
        stats = tracker.stats()
    return {
        "offered": stats.offered,
        "refused": lost(tracker),
        "undelivered": stats.buffered + stats.in_flight,
        "requests_during": requests,
        "requests_after": stats.requests - requests,
        "fill_cpu_seconds": filling.cpu_seconds,
        "outage_cpu_seconds": waiting.cpu_seconds,
        "recovery_seconds": recovering.wall_seconds,
        "recovery_cpu_seconds": recovering.cpu_seconds,
    }


def hello(loop: str, command: Command) -> Reply:
    """Say who this is, if there is a transport as the settings want it."""
    transport_of(command.get("settings", {}).get("transport", "httpx"))
    libraries = ("anyio", "httpx", "httpcore", "pydantic", "pydantic-core")
    versions = {name: version(name) for name in libraries}
    for optional in ("aiohttp", "uvloop"):
        try:
            versions[optional] = version(optional)
        except ModuleNotFoundError:
            continue
    return {
        "name": "aiotracker",
        "version": aiotracker.__version__,
        "runtime": f"{runtime()}, {loop}",
        "versions": versions,
    }


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes the loops of this process."""
    if name == "uvloop":
        import uvloop

        return uvloop.new_event_loop
    return asyncio.new_event_loop


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    options = parser.parse_args()

    with asyncio.Runner(loop_factory=loop_factory(options.loop)) as runner:

        def on_loop(act: Callable[[Command], Coroutine[None, None, Reply]], command: Command) -> Reply:
            gc.collect()
            return runner.run(act(command))

        served = {"round": play_round, "make": make, "hold": hold, "steady": keep_rate, "outlast": outlast}
        serve(
            {
                "hello": functools.partial(hello, options.loop),
                **{name: functools.partial(on_loop, act) for name, act in served.items()},
            }
        )


if __name__ == "__main__":
    main()
