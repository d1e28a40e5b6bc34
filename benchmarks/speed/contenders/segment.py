"""segment-analytics-python at its defaults: `python -m benchmarks.speed.contenders.segment`."""

from __future__ import annotations

import gc
from importlib.metadata import version

from segment.analytics import Client

from benchmarks.speed.contenders import threads
from benchmarks.speed.contenders.properties import named
from benchmarks.speed.protocol import Command, Reply, runtime, serve

Event = tuple[str, str, dict[str, object]]


def play_round(command: Command) -> Reply:
    """Track, and deliver."""
    gc.collect()
    client = Client("bench", host=command["collector"])

    def build(number: int) -> Event:
        return named(command["workload"], number)

    def track(event: Event) -> bool:
        who, name, properties = event
        is_taken, _ = client.track(user_id=who, event=name, properties=properties)
        return bool(is_taken)

    reply = threads.play(command, build, track, client.flush)
    client.join()
    return reply


def hello(_: Command) -> Reply:
    """Say who this is."""
    return {
        "name": "segment-analytics-python",
        "version": version("segment-analytics-python"),
        "runtime": runtime(),
        "versions": {"requests": version("requests")},
    }


if __name__ == "__main__":
    serve({"hello": hello, "round": play_round})
