"""snowplow-tracker, the official tracker: `python -m benchmarks.speed.contenders.official`.

Settings, all optional: `emitter` (sync or async), `session` (a `requests.Session`, which keeps connections),
`batch_size`, `base64`, `logs` (False to silence the lines that it logs for every request).
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
from snowplow_tracker import (
    AsyncEmitter,
    Emitter,
    PageView,
    SelfDescribing,
    SelfDescribingJson,
    StructuredEvent,
    Subject,
    Tracker,
)

from benchmarks.speed.contenders import threads
from benchmarks.speed.contenders.heartbeat import steady
from benchmarks.speed.protocol import Command, Reply, Stopwatch, runtime, serve
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
    from collections.abc import Callable, Mapping

LOGGERS: Final = ("snowplow_tracker.emitters", "snowplow_tracker.tracker")
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
NOBODY: Final = "http://127.0.0.1:9"  # for events that are never sent


# -- events -------------------------------------------------------------------------------------------


def viewer(who: Mapping[str, Any]) -> Any:
    """Return the subject of a page view. It names the platform, which is pc otherwise."""
    return (
        Subject()
        .set_platform(PLATFORM)
        .set_user_id(who["user_id"])
        .set_ip_address(who["ip_address"])
        .set_useragent(who["useragent"])
        .set_lang(who["lang"])
    )


def viewed(number: int) -> Any:
    """Return a page view without a subject: the tracker has it."""
    return PageView(**page_view(number))


def viewed_by(number: int) -> Any:
    """Return a page view with a subject of its own."""
    return PageView(**page_view(number), event_subject=viewer(subject(number)))


def done(number: int) -> Any:
    """Return a structured event."""
    return StructuredEvent(**structured(number))


def ordered(number: int) -> Any:
    """Return a self-describing event with one entity."""
    return SelfDescribing(
        SelfDescribingJson(ORDER_SCHEMA, order(number)),
        context=[SelfDescribingJson(PRODUCT_SCHEMA, product(number))],
    )


def ordered_by(number: int) -> Any:
    """Return a self-describing event with two entities."""
    return SelfDescribing(
        SelfDescribingJson(ORDER_SCHEMA, order(number)),
        context=[
            SelfDescribingJson(PRODUCT_SCHEMA, product(number)),
            SelfDescribingJson(SHOPPER_SCHEMA, shopper(number)),
        ],
    )


EVENTS: Final[Mapping[str, Callable[[int], Any]]] = {
    "page_view": viewed,
    "visitor_page_view": viewed_by,
    "structured": done,
    "self_describing_1": ordered,
    "self_describing_2": ordered_by,
}
_MIXED: Final = tuple(EVENTS[kind] for kind in MIX)


def mixed(number: int) -> Any:
    """Return the event of a mix."""
    return _MIXED[number % 10](number)


def events_of(workload: str) -> Callable[[int], Any]:
    """Return what makes the events of a workload from their numbers."""
    return mixed if workload == "mix" else EVENTS[workload]


# -- trackers -----------------------------------------------------------------------------------------


def tracker_of(command: Command, **options: Any) -> Any:
    """Return a tracker for the workload and settings of a command; the options are its emitter's."""
    settings = dict(command["settings"])
    collector = urlsplit(command.get("collector") or NOBODY)
    kind = AsyncEmitter if settings.get("emitter") == "async" else Emitter
    if settings.get("session"):
        options["session"] = requests.Session()
    if "batch_size" in settings:
        options.setdefault("batch_size", settings["batch_size"])
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO if settings.get("logs", True) else logging.ERROR)
    emitter = kind(collector.hostname, protocol="http", port=collector.port, **options)
    who = tracker_subject(command["workload"])
    return Tracker(
        namespace=NAMESPACE,
        emitters=emitter,
        app_id=APP_ID,
        subject=Subject().set_platform(PLATFORM) if who is None else viewer(who),
        encode_base64=settings.get("base64", True),
    )


def buffering(command: Command) -> Any:
    """Return a tracker whose buffer never fills, so that nothing is sent."""
    room = command["events"] + 1
    return tracker_of(command, batch_size=room, buffer_capacity=room)


def resident_bytes() -> int:
    """Return the memory of this process. Source: proc(5), statm."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


# -- commands -----------------------------------------------------------------------------------------


def play_round(command: Command) -> Reply:
    """Track, and deliver."""
    gc.collect()
    tracker = tracker_of(command)

    def track(event: object) -> bool:
        tracker.track(event)
        return True  # it cannot be told whether the event was taken

    return threads.play(command, events_of(command["workload"]), track, tracker.flush)


def make(command: Command) -> Reply:
    """Construct and track into a buffer that never fills."""
    gc.collect()
    build, tracker = events_of(command["workload"]), buffering(command)
    with Stopwatch() as watch:
        for number in range(command["first"], command["first"] + command["events"]):
            tracker.track(build(number))
    return watch.reply(offered=command["events"])


def hold(command: Command) -> Reply:
    """Fill a buffer: memory when full. The fields are those of our contender."""
    build, tracker = events_of(command["workload"]), buffering(command)
    gc.collect()
    before = resident_bytes()
    with Stopwatch() as filling:
        for number in range(command["first"], command["first"] + command["events"]):
            tracker.track(build(number))
    gc.collect()
    held_bytes = resident_bytes() - before
    events = tracker.emitters[0].event_store.get_events_batch()
    return {
        "events": len(events),
        "fill_seconds": filling.wall_seconds,
        "fill_cpu_seconds": filling.cpu_seconds,
        "held_bytes": held_bytes,
        "payload_bytes": sum(len(json.dumps(event)) for event in events) / len(events),
    }


async def keep_rate(command: Command) -> Reply:
    """Track at a rate from a coroutine, as a service does that was told of no other way."""
    build, tracker = events_of(command["workload"]), tracker_of(command)

    async def run(due: Callable[[], int]) -> Reply:
        number = 0
        while (until := due()) >= 0:
            while number < until and due() >= 0:
                tracker.track(build(number))
                number += 1
                await asyncio.sleep(0)  # the loop stands still in one call at a time
            await asyncio.sleep(0.001)
        return {"offered": number, "refused": 0}

    return await steady(command, run)


def hello(_: Command) -> Reply:
    """Say who this is."""
    return {
        "name": "snowplow-tracker",
        "version": version("snowplow-tracker"),
        "runtime": runtime(),
        "versions": {name: version(name) for name in ("requests", "urllib3")},
    }


if __name__ == "__main__":
    with asyncio.Runner() as runner:

        def keep_rate_on_loop(command: Command) -> Reply:
            """Run the one command that wants a loop."""
            return runner.run(keep_rate(command))

        serve(
            {
                "hello": hello,
                "round": play_round,
                "make": make,
                "hold": hold,
                "steady": keep_rate_on_loop,
            }
        )
