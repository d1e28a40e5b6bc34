"""Where the time goes: the steps from an event's arguments to the buffer, one by one, and a request.

Everything is played in this process, several times, and the best time counts: a part is too short for rounds.
"""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING, Any, Final

from aiotracker import Emitter, Subject, Tracker
from aiotracker.event_ids import EventIds
from aiotracker.protocol.encoding import Encoding, encode
from aiotracker.protocol.envelope import CONTENT_TYPE
from aiotracker.protocol.exchange import Request
from aiotracker.protocol.layer import Layer
from benchmarks.speed.contenders.ours import NOBODY, endless, events_of, transport_of
from benchmarks.speed.contenders.transports import Gate
from benchmarks.speed.protocol import Unavailable
from benchmarks.speed.workloads import (
    APP_ID,
    NAMESPACE,
    PLATFORM,
    order,
    page_view,
    product,
    structured,
    subject,
    tracker_subject,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aiotracker import Event
    from aiotracker.protocol.record import Record
    from benchmarks.speed.bench import Bench

__all__ = ["EVENT_PARTS", "measure_parts"]

EVENT_PARTS: Final = {
    "arguments": "its arguments are made, as plain data",
    "construct": "it is constructed and checked",
    "id": "it gets an id",
    "encode": "it is merged and encoded",
    "put": "its record is put into the buffer",
    "track": "`track()` in all, without the construction",
}
ARGUMENTS: Final[Mapping[str, Callable[[int], object]]] = {
    "page_view": page_view,
    "visitor_page_view": lambda number: (page_view(number), subject(number)),
    "structured": structured,
    "self_describing_1": lambda number: (order(number), product(number)),
}
EVENTS: Final = 5_000
REQUESTS: Final = 200
TRIES: Final = 7
BODY_BYTES: Final = 5_000
CREATED_MS: Final = 1_700_000_000_000
AN_ID: Final = "00000000-0000-4000-8000-000000000000"


def measure_parts(bench: Bench) -> None:
    """Time the steps of each workload, and a request of each transport."""
    bench.found["parts"] = [
        {"workload": workload, **asyncio.run(event_parts(workload))} for workload in ARGUMENTS
    ]
    bench.found["requests"] = asyncio.run(request_parts(bench.url))


async def event_parts(workload: str) -> dict[str, float]:
    """Return the steps of an event, by the keys of `EVENT_PARTS`, in microseconds."""
    build = events_of(workload)
    events = [build(number) for number in range(EVENTS)]
    own = tracker_subject(workload)
    pairs = {"tv": "aiotracker-0.0.0", "tna": NAMESPACE, "p": PLATFORM, "aid": APP_ID}
    layer = Layer({**pairs, **(Subject(**own).pairs() if own else {})})
    encoding, ids = Encoding(), EventIds()

    def record(event: Event) -> Record:
        return encode(
            event, event_id=AN_ID, created_ms=CREATED_MS, tracker=layer, scope=None, encoding=encoding
        )

    emitter = Emitter(NOBODY, transport=Gate(), **endless(TRIES * EVENTS * 2))
    tracker = Tracker(NAMESPACE, emitter, app_id=APP_ID, platform=PLATFORM)
    await tracker.open()
    making = best_of(ARGUMENTS[workload], range(EVENTS))
    parts = {
        "arguments": making,
        "construct": best_of(build, range(EVENTS)) - making,
        "id": best_of(lambda _: ids.take(), range(EVENTS)),
        "encode": best_of(record, events),
        "put": best_of(emitter.intake.offer, [record(event) for event in events]),
        "track": min([await tracked(tracker, events) for _ in range(TRIES)]),
    }
    await tracker.aclose(timeout=0)
    return parts


def best_of(step: Callable[[Any], object], values: Iterable[Any]) -> float:  # Any: what the step takes
    """Return the best time of a step that is done with each value, in microseconds a value."""
    times = []
    for _ in range(TRIES):
        gc.collect()
        began = time.process_time()
        for value in values:
            step(value)
        times.append(time.process_time() - began)
    return min(times) / EVENTS * 1e6


async def tracked(tracker: Tracker, events: list[Event]) -> float:
    """Return what `track()` takes, in microseconds an event."""
    gc.collect()
    began = time.process_time()
    for event in events:
        await tracker.track(event)
    return (time.process_time() - began) / EVENTS * 1e6


async def request_parts(url: str) -> list[dict[str, object]]:
    """Return what a request of 5 KB takes on each transport, one after the other on one connection."""
    address = Emitter(url).url
    headers = (("Content-Type", CONTENT_TYPE),)
    request = Request("POST", address.post_url, headers, b"x" * BODY_BYTES)
    parts: list[dict[str, object]] = []
    for name in ("httpx", "aiohttp"):
        try:
            transport = transport_of(name)
        except Unavailable:
            continue
        await transport.open(address)
        times = []
        for _ in range(TRIES):
            began = time.process_time()
            for _ in range(REQUESTS):
                await transport.send(request)
            times.append((time.process_time() - began) / REQUESTS * 1e6)
        await transport.aclose()
        parts.append({"transport": name, "cpu_us": min(times)})
    return parts
