"""The soak: thousands of events a second for a long time, to a collector that keeps misbehaving.

    python -m benchmarks.soak --minutes 20 --rate 2000

It ends with 0 when every event that was offered is accounted for, one by one: kept by the collector, or
refused or dropped with a reason; and when memory and file descriptors did not grow after the warm-up.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from aiotracker import Emitter, Notice, StructuredEvent, Tracker
from benchmarks.soak_collector import event_id, number_of

TICK: Final = 0.01  # seconds
REPORT_SECONDS: Final = 10.0
WARM_UP: Final = 0.25  # of the whole time, and a minute at least
MAX_GROWTH_MIB: Final = 5.0  # of resident memory after the warm-up, by the fitted line
MAX_MORE_FILES: Final = 8  # connections come and go with the faults
SPARE_SECONDS: Final = 10.0  # of events, for a busy machine that is late
PAGE_BYTES: Final = resource.getpagesize()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a process holds at one moment.

    Attributes:
        seconds: since the start.
        resident_mib: memory.
        files: open descriptors.
        threads: running.
    """

    seconds: float
    resident_mib: float
    files: int
    threads: int


class Losses:
    """Which events were refused or given up, as the callbacks tell; a byte each, so memory stays flat."""

    def __init__(self, events: int) -> None:
        """Begin with none of so many events."""
        self.is_lost = bytearray(b"\x01" * events)  # every page is touched now, and not as losses come
        self.is_lost[:] = bytes(events)

    def note(self, notice: Notice) -> None:
        """Remember the events of a notice."""
        for event in notice.event_ids:
            self.is_lost[number_of(event)] = 1


def read(began_at: float) -> Reading:
    """Return what this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all there is
    return Reading(time.monotonic() - began_at, pages * PAGE_BYTES / 2**20, files, threading.active_count())


def slope(points: list[tuple[float, float]]) -> float:
    """Return the slope of the line of least squares through points."""
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


async def track_steadily(tracker: Tracker, seconds: float, rate: int) -> tuple[int, list[Reading]]:
    """Track at a rate for a time; return how many events were offered, and the readings."""
    began_at = time.monotonic()
    readings = [read(began_at)]
    number = 0
    while (now := time.monotonic() - began_at) < seconds:
        while number < now * rate:
            event = StructuredEvent(category="soak", action="tick", value=number, event_id=event_id(number))
            await tracker.track(event)
            number += 1
        if now >= readings[-1].seconds + REPORT_SECONDS:
            readings.append(read(began_at))
            tell(tracker, readings[-1])
        await anyio.sleep(TICK)
    return number, readings


def tell(tracker: Tracker, reading: Reading) -> None:
    """Print a line on how it goes."""
    stats = tracker.stats()
    dropped = {str(reason): count for reason, count in stats.dropped.items()}
    refused = {str(reason): count for reason, count in stats.refused.items()}
    print(
        f"{reading.seconds:6.0f} s  offered {stats.offered:,}  delivered {stats.delivered:,}"
        f"  refused {refused}  dropped {dropped}  held {stats.buffered + stats.in_flight:,}"
        f"  requests {stats.requests:,}"
        f"  {reading.resident_mib:.1f} MiB  {reading.files} files  {reading.threads} threads",
        flush=True,
    )


async def soak(port: int, seconds: float, rate: int, collector: subprocess.Popen[str]) -> int:
    """Run the soak; return the number of complaints."""
    losses = Losses(int((seconds + SPARE_SECONDS) * rate))
    emitter = Emitter(
        f"http://127.0.0.1:{port}",
        request_timeout=2.0,
        max_retry_delay=5.0,
        on_failure=losses.note,
        on_drop=losses.note,
    )
    tracker = Tracker("soak", emitter)
    async with tracker:
        offered, readings = await track_steadily(tracker, seconds, rate)
        await anyio.to_thread.run_sync(ask, collector)  # the collector is well from here on
        await tracker.aclose(timeout=60.0)
    return check(tracker, losses, offered, readings, json.loads(ask(collector)))


def ask(collector: subprocess.Popen[str]) -> str:
    """Write a line to the collector, and return the line that it answers."""
    if collector.stdin is None or collector.stdout is None:
        raise RuntimeError("the collector has no pipes")
    collector.stdin.write("\n")
    collector.stdin.flush()
    return collector.stdout.readline()


def check(
    tracker: Tracker, losses: Losses, offered: int, readings: list[Reading], found: dict[str, object]
) -> int:
    """Print the result, and every complaint; return how many there are."""
    kept = {number for start, end in found["kept"] for number in range(start, end)}  # type: ignore[attr-defined]  # JSON
    stats = tracker.stats()
    refused, dropped = sum(stats.refused.values()), sum(stats.dropped.values())
    unaccounted = [n for n in range(offered) if n not in kept and not losses.is_lost[n]]
    after = [r for r in readings if r.seconds >= max(60.0, WARM_UP * readings[-1].seconds)] or readings
    per_second = slope([(r.seconds, r.resident_mib) for r in after])
    growth = per_second * (after[-1].seconds - after[0].seconds)
    tell(tracker, readings[-1])
    print(f"kept by the collector: {len(kept):,} events, {found['duplicates']:,} duplicates")
    print(f"lost without a reason: {len(unaccounted):,}")
    print(f"memory: {per_second * 3600:+.2f} MiB an hour, {growth:+.2f} MiB since the warm-up")
    complaints = {
        "events are unaccounted for": bool(unaccounted),
        "offered is not accepted + refused": stats.offered != stats.accepted + refused,
        "not everything was offered": stats.offered != offered,
        "accepted is not delivered + dropped": stats.accepted != stats.delivered + dropped,
        "something is still held": bool(stats.buffered or stats.in_flight),
        "delivered is not what was kept": not stats.delivered <= len(kept) <= stats.delivered + dropped,
        "callbacks and accounts differ": sum(losses.is_lost) != refused + dropped,
        "memory grows": growth > MAX_GROWTH_MIB,
        "files grow": after[-1].files > after[0].files + MAX_MORE_FILES,
        "threads grow": after[-1].threads > after[0].threads + MAX_MORE_FILES,
    }
    found_true = [complaint for complaint, is_true in complaints.items() if is_true]
    print("\n".join(f"FAILED: {complaint}" for complaint in found_true) or "OK: everything is accounted for")
    return len(found_true)


def main() -> int:
    """Read the arguments, start the collector, and soak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rate", type=int, default=2000, help="events per second (default: 2000)")
    parser.add_argument("--seed", type=int, default=None, help="of the collector's moods; printed")
    parser.add_argument("--loop", choices=["asyncio", "uvloop", "trio"], default="asyncio")
    arguments = parser.parse_args()
    seed = int.from_bytes(os.urandom(4)) if arguments.seed is None else arguments.seed
    print(f"seed {seed}, {arguments.minutes:g} minutes, {arguments.rate:,} events a second, {arguments.loop}")
    command = [sys.executable, "-m", "benchmarks.soak_collector", str(seed)]
    with subprocess.Popen(  # noqa: S603 - our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as collector:
        try:
            port = int(collector.stdout.readline() if collector.stdout else 0)
            complaints = anyio.run(
                soak,
                port,
                arguments.minutes * 60,
                arguments.rate,
                collector,
                backend="trio" if arguments.loop == "trio" else "asyncio",
                backend_options={"use_uvloop": True} if arguments.loop == "uvloop" else {},
            )
        finally:
            collector.kill()
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
