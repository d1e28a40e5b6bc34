"""posthog at its defaults: `python -m benchmarks.speed.contenders.posthog`.

One setting: `client`, `sync` (`Posthog`, the default) or `async` (`AsyncPosthog`).
"""

from __future__ import annotations

import asyncio
import gc
import time
from importlib.metadata import version
from typing import Final

import posthog

from benchmarks.speed.contenders import threads
from benchmarks.speed.contenders.properties import named
from benchmarks.speed.protocol import Command, Reply, Stopwatch, Unavailable, latencies, runtime, serve

Event = tuple[str, str, dict[str, object]]

FULL_SECONDS: Final = 0.005  # until a refused event is offered again
EVENTS_PER_YIELD: Final = 32  # `capture()` never suspends, so the program has to, or nothing is sent


def play_round(command: Command) -> Reply:
    """Track, and deliver."""
    gc.collect()
    if command["settings"].get("client") == "async":
        return asyncio.run(play_round_async(command))
    client = posthog.Posthog("bench", host=command["collector"])

    def build(number: int) -> Event:
        return named(command["workload"], number)

    def track(event: Event) -> bool:
        who, name, properties = event
        return client.capture(name, distinct_id=who, properties=properties) is not None

    reply = threads.play(command, build, track, client.flush)
    client.shutdown()
    return reply


async def play_round_async(command: Command) -> Reply:
    """Track with some tasks, and deliver."""
    spent: list[int] = []
    numbers = range(command["first"], command["first"] + command["events"])

    async def produce(share: range) -> None:
        for index, number in enumerate(share):
            who, name, properties = named(command["workload"], number)
            began = time.perf_counter_ns()
            is_taken = client.capture(name, distinct_id=who, properties=properties)
            if command["latencies"]:
                spent.append(time.perf_counter_ns() - began)
            while is_taken is None:
                await asyncio.sleep(FULL_SECONDS)
                is_taken = client.capture(name, distinct_id=who, properties=properties)
            if index % EVENTS_PER_YIELD == 0:
                await asyncio.sleep(0)

    async with posthog.AsyncPosthog("bench", host=command["collector"]) as client:
        with Stopwatch() as watch:
            shares = (numbers[index :: command["producers"]] for index in range(command["producers"]))
            await asyncio.gather(*[produce(share) for share in shares])
            await client.flush(command["timeout"])
    return watch.reply(offered=command["events"], latency_us=latencies(spent))


def hello(command: Command) -> Reply:
    """Say who this is, if this release has the client that the settings want."""
    if command.get("settings", {}).get("client") == "async" and not hasattr(posthog, "AsyncPosthog"):
        raise Unavailable(f"posthog {version('posthog')} has no AsyncPosthog")
    return {
        "name": "posthog",
        "version": version("posthog"),
        "runtime": runtime(),
        "versions": {"requests": version("requests")},
    }


if __name__ == "__main__":
    serve({"hello": hello, "round": play_round})
