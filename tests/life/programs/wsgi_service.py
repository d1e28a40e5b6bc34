"""A synchronous service that tracks from requests: `uwsgi --enable-threads --module …`.

The master opens the tracker on a thread and tracks ten events before it forks. A worker is refused, as
every forked child is, and opens the tracker for itself.
"""

import asyncio
import atexit
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from aiotracker import Emitter, ForkedTrackerError, PageView, Tracker

TRACKER = Tracker("preloaded", Emitter(os.environ["COLLECTOR"], flush_interval=2.0))
CLOSE_SECONDS = 6.0
REST_SECONDS = 0.3


class Host:
    """A loop on a thread of its own, on which the tracker is open until the process ends."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), daemon=True)
        self._thread.start()
        self._is_ready.wait()
        atexit.register(self._close)

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._is_over = asyncio.Event()
        async with TRACKER:
            self._is_ready.set()
            await self._is_over.wait()

    def _close(self) -> None:
        if self._pid == os.getpid():  # a worker runs the exit hooks of its master, too
            self._loop.call_soon_threadsafe(self._is_over.set)
            self._thread.join(CLOSE_SECONDS)


def track() -> str:
    """Track one event; return its id."""
    try:
        return str(TRACKER.track_nowait(PageView(page_url="https://acme.com/")))
    except ForkedTrackerError:
        Host()
        return str(TRACKER.track_nowait(PageView(page_url="https://acme.com/")))


def application(
    environ: Mapping[str, object], start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    """Track one event and answer the worker's id and the event's."""
    event_id = track()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {event_id}".encode()]


Host()
print("tracked", *(track() for _ in range(10)), flush=True)
# uWSGI forks now. Let the loop come to rest first: unless Python's fork hooks run, a lock that a thread
# holds at this moment, such as that of an import, is held in the worker for ever.
time.sleep(REST_SECONDS)
