"""aio-snowplow-tracker, a fork of the official tracker for aiohttp, without event classes.

`python -m benchmarks.speed.contenders.aio_official`. Settings, all optional: `method` (post or get),
`batch_size`, `base64`, `session` (an `aiohttp.ClientSession` that is kept).
"""

from __future__ import annotations

import asyncio
import gc
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import aiohttp
from aio_snowplow_tracker import Emitter, SelfDescribingJson, Subject, Tracker

from benchmarks.speed.contenders.heartbeat import steady
from benchmarks.speed.protocol import Command, Reply, Stopwatch, latencies, runtime, serve
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
    from collections.abc import Awaitable, Callable, Mapping


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


async def view(tracker: Any, number: int) -> None:
    """Track a page view without a subject: the tracker has it."""
    await tracker.track_page_view(**page_view(number))


async def view_by(tracker: Any, number: int) -> None:
    """Track a page view with a subject of its own."""
    await tracker.track_page_view(**page_view(number), event_subject=viewer(subject(number)))


async def do(tracker: Any, number: int) -> None:
    """Track a structured event."""
    await tracker.track_struct_event(**structured(number))


async def place_order(tracker: Any, number: int) -> None:
    """Track a self-describing event with one entity."""
    await tracker.track_self_describing_event(
        SelfDescribingJson(ORDER_SCHEMA, order(number)),
        [SelfDescribingJson(PRODUCT_SCHEMA, product(number))],
    )


async def place_order_by(tracker: Any, number: int) -> None:
    """Track a self-describing event with two entities."""
    await tracker.track_self_describing_event(
        SelfDescribingJson(ORDER_SCHEMA, order(number)),
        [
            SelfDescribingJson(PRODUCT_SCHEMA, product(number)),
            SelfDescribingJson(SHOPPER_SCHEMA, shopper(number)),
        ],
    )


ACTS: Final[Mapping[str, Callable[[Any, int], Awaitable[None]]]] = {
    "page_view": view,
    "visitor_page_view": view_by,
    "structured": do,
    "self_describing_1": place_order,
    "self_describing_2": place_order_by,
}
_MIXED: Final = tuple(ACTS[kind] for kind in MIX)


async def do_mixed(tracker: Any, number: int) -> None:
    """Track the event of a mix."""
    await _MIXED[number % 10](tracker, number)


def act_of(workload: str) -> Callable[[Any, int], Awaitable[None]]:
    """Return what constructs and tracks the events of a workload: this tracker does both in one call."""
    return do_mixed if workload == "mix" else ACTS[workload]


async def play_round(command: Command) -> Reply:
    """Track with some tasks, and deliver."""
    act, spent = act_of(command["workload"]), list[int]()
    numbers = range(command["first"], command["first"] + command["events"])

    async def produce(tracker: Any, share: range) -> None:
        for number in share:
            began = time.perf_counter_ns()
            await act(tracker, number)
            if command["latencies"]:
                spent.append(time.perf_counter_ns() - began)

    async with aiohttp.ClientSession() as session:
        tracker = tracker_of(command, session)
        with Stopwatch() as watch:
            shares = (numbers[index :: command["producers"]] for index in range(command["producers"]))
            await asyncio.gather(*[produce(tracker, share) for share in shares])
            await tracker.flush()
    return watch.reply(offered=command["events"], latency_us=latencies(spent))


def tracker_of(command: Command, session: aiohttp.ClientSession) -> Any:
    """Return a tracker for the workload and settings of a command."""
    settings = command["settings"]
    collector = urlsplit(command["collector"])
    options: dict[str, Any] = {}
    if "batch_size" in settings:
        options["buffer_size"] = settings["batch_size"]
    if "method" in settings:
        options["method"] = settings["method"]
    if settings.get("session"):
        options["client_session"] = session
    emitter = Emitter(collector.hostname, protocol="http", port=collector.port, **options)
    who = tracker_subject(command["workload"])
    its_own = Subject().set_platform(PLATFORM) if who is None else viewer(who)
    return Tracker([emitter], its_own, NAMESPACE, APP_ID, settings.get("base64", True))


async def keep_rate(command: Command) -> Reply:
    """Track at a rate while the loop is watched."""
    act = act_of(command["workload"])

    async def run(due: Callable[[], int]) -> Reply:
        number = 0
        async with aiohttp.ClientSession() as session:
            tracker = tracker_of(command, session)
            while (until := due()) >= 0:
                while number < until and due() >= 0:
                    await act(tracker, number)
                    number += 1
                await asyncio.sleep(0.001)
        return {"offered": number, "refused": 0}

    return await steady(command, run)


def hello(_: Command) -> Reply:
    """Say who this is."""
    return {
        "name": "aio-snowplow-tracker",
        "version": version("aio-snowplow-tracker"),
        "runtime": runtime(),
        "versions": {"aiohttp": version("aiohttp")},
    }


if __name__ == "__main__":
    with asyncio.Runner() as runner:

        def on_loop(act: Callable[[Command], Any]) -> Callable[[Command], Reply]:  # Any: a coroutine
            """Return the command that runs a coroutine."""

            def run(command: Command) -> Reply:
                gc.collect()
                reply: Reply = runner.run(act(command))
                return reply

            return run

        serve({"hello": hello, "round": on_loop(play_round), "steady": on_loop(keep_rate)})
