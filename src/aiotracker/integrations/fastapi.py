"""FastAPI: everything in one line, and the tracker as a dependency.

@app.post("/orders")
async def order(tracker: TrackerDep) -> None:
    await tracker.track(OrderPlaced(...))
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import Depends
from starlette.requests import HTTPConnection

from aiotracker import Tracker
from aiotracker.integrations.asgi import TrackerMiddleware, tracker_lifespan
from aiotracker.integrations.starlette import install, page_url_of, tracker_of

__all__ = ["TrackerDep", "TrackerMiddleware", "get_tracker", "install", "page_url_of", "tracker_lifespan"]


async def get_tracker(connection: HTTPConnection) -> Tracker:
    """Return the tracker of a request or a websocket: the dependency behind `TrackerDep`.

    Raises:
        TrackerStateError: nothing was installed in the application.
    """
    return tracker_of(connection)


TrackerDep: TypeAlias = Annotated[Tracker, Depends(get_tracker)]
"""The open tracker. An `async def` endpoint awaits `track()`, a plain `def` one calls `track_nowait()`."""
