"""A synchronous service that tracks from its requests, whichever server forks it: `…:application`.

With MASTER_EVENTS its master tracks before it forks; a worker opens the tracker for itself all the same.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping

from aiotracker import Emitter, PageView, Tracker, hosted

REST_SECONDS = 0.3

events = hosted(Tracker("wsgi", Emitter(os.environ["COLLECTOR"], flush_interval=2.0)))


def track() -> str:
    """Track one event; return its id."""
    return str(events.track_nowait(PageView(page_url="https://acme.com/")))


def application(
    environ: Mapping[str, object], start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    """Track one event and answer the worker's id and the event's."""
    event_id = track()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {event_id}".encode()]


if count := int(os.environ.get("MASTER_EVENTS", "0")):
    print("tracked", *(track() for _ in range(count)), flush=True)
    # uWSGI forks now, and unless it is told to, runs no hooks of Python's: let the loop come to rest first.
    time.sleep(REST_SECONDS)
