"""The burst of the demo: tracks as fast as events are delivered, and notices when none are any more."""

from time import perf_counter
from typing import TYPE_CHECKING, Final

import anyio

from aiotracker import Tracker
from aiotracker.cli.demo_events import burst_event
from aiotracker.cli.demo_process import CollectorGoneError

if TYPE_CHECKING:
    from aiotracker.cli.demo_screen import Progress, Screen

__all__ = ["track_burst"]

STALL_TIMEOUT: Final = 10.0  # a batch takes some milliseconds
FLUSH_TIMEOUT: Final = 30.0
PROGRESS_INTERVAL: Final = 0.1


async def track_burst(
    tracker: Tracker, count: int, screen: "Screen", *, stall_timeout: float = STALL_TIMEOUT
) -> list[str | None]:
    """Track many events and return their ids, None for a refused one.

    Args:
        tracker: waits for room in its buffer without end.
        count: number of events.
        screen: shows how many were delivered.
        stall_timeout: seconds without a single delivery after which to give up.
    Raises:
        CollectorGoneError: nothing is delivered any more.
    """
    ids: list[str | None] = []
    before = tracker.stats().delivered
    with screen.progress(count) as progress:
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as burst:
                tasks.start_soon(_watch, tracker, before, progress, burst, stall_timeout)
                for number in range(count):
                    ids.append(await tracker.track(burst_event(number)))  # noqa: PERF401 - clearer so
                await tracker.flush(FLUSH_TIMEOUT)
            tasks.cancel_scope.cancel()  # the watch
        delivered = tracker.stats().delivered - before
        progress.show(delivered)
    if burst.cancelled_caught:
        raise CollectorGoneError(
            f"nothing was delivered for {stall_timeout:g} s, after {delivered:,} of {count:,} events"
        )
    return ids


async def _watch(
    tracker: Tracker, before: int, progress: "Progress", burst: anyio.CancelScope, stall_timeout: float
) -> None:
    delivered, delivered_at = before, perf_counter()
    while perf_counter() - delivered_at < stall_timeout:
        await anyio.sleep(PROGRESS_INTERVAL)
        delivered_now = tracker.stats().delivered
        if delivered_now > delivered:
            delivered, delivered_at = delivered_now, perf_counter()
            progress.show(delivered - before)
    burst.cancel()
