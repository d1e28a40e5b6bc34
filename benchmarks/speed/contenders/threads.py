"""Rounds of trackers that are called without `await`, by one loop or by several threads."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, TypeVar

from benchmarks.speed.protocol import Command, Reply, Stopwatch, latencies

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["play"]

FULL_SECONDS: Final = 0.005  # until a refused event is offered again

E = TypeVar("E")


def play(
    command: Command,
    build: Callable[[int], E],
    track: Callable[[E], bool],
    flush: Callable[[], object],
) -> Reply:
    """Track the events of a round, and deliver them.

    Args:
        command: the round.
        build: makes an event from its number.
        track: offers it; False when the tracker's buffer is full.
        flush: returns when everything is delivered.
    """
    numbers = range(command["first"], command["first"] + command["events"])
    shares = [numbers[index :: command["producers"]] for index in range(command["producers"])]
    spent: list[int] = []
    with Stopwatch() as watch:
        if len(shares) == 1:
            _produce(shares[0], build, track, spent if command["latencies"] else None)
        else:
            _produce_in_threads(shares, build, track, spent if command["latencies"] else None)
        flush()
    return watch.reply(offered=command["events"], latency_us=latencies(spent))


def _produce_in_threads(
    shares: Sequence[range],
    build: Callable[[int], E],
    track: Callable[[E], bool],
    spent: list[int] | None,
) -> None:
    threads = [threading.Thread(target=_produce, args=(share, build, track, spent)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _produce(
    numbers: range,
    build: Callable[[int], E],
    track: Callable[[E], bool],
    spent: list[int] | None,
) -> None:
    if spent is None:
        for number in numbers:
            event = build(number)
            while not track(event):
                time.sleep(FULL_SECONDS)
        return
    for number in numbers:
        event = build(number)
        began = time.perf_counter_ns()
        is_taken = track(event)
        spent.append(time.perf_counter_ns() - began)
        while not is_taken:
            time.sleep(FULL_SECONDS)
            is_taken = track(event)
