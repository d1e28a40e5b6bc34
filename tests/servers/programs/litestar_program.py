"""A Litestar application with a tracker as its plugin.

Each request tracks one event under the token in its path, and answers the event's id. In its last lines
the application tracks one event more.
"""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from litestar import Litestar, Response, get
from litestar.background_tasks import BackgroundTask
from litestar.enums import MediaType
from litestar.params import FromPath
from litestar.response import Stream

from aiotracker import StructuredEvent, Tracker
from aiotracker.integrations.identity import IdentityOptions
from aiotracker.integrations.litestar import TrackerDep, TrackerPlugin

tracker = Tracker("servers", os.environ["COLLECTOR_URL"])


def visit(token: str, event_id: str | None = None) -> StructuredEvent:
    """Return the event of a request."""
    return StructuredEvent(category="visit", action=token, event_id=event_id)


@get("/await/{token:str}", media_type=MediaType.TEXT)
async def awaits(token: FromPath[str], tracker: TrackerDep) -> str:
    """Let others run, then track."""
    await anyio.sleep(0.001)
    return str(await tracker.track(visit(token)))


@get("/block/{token:str}", media_type=MediaType.TEXT, sync_to_thread=True)
def blocks(token: FromPath[str], tracker: TrackerDep) -> str:
    """Track from a thread."""
    return str(tracker.track_nowait(visit(token)))


@get("/stream/{token:str}")
async def streams(token: FromPath[str], tracker: TrackerDep) -> Stream:
    """Track in the middle of the body."""

    async def parts() -> AsyncIterator[str]:
        yield ""
        await anyio.sleep(0.001)
        yield str(await tracker.track(visit(token)))

    return Stream(parts(), media_type=MediaType.TEXT)


@get("/after/{token:str}", media_type=MediaType.TEXT)
async def afterwards(token: FromPath[str], tracker: TrackerDep) -> Response[str]:
    """Track when the answer is out."""
    event_id = tracker.get_uuid()
    return Response(event_id, background=BackgroundTask(tracker.track, visit(token, event_id)))


@asynccontextmanager
async def life(_app: Litestar) -> AsyncIterator[None]:
    """Tell when the application begins to stop."""
    yield
    print("leaving", time.monotonic(), flush=True)
    last = StructuredEvent(category="life", action="stopped")
    print("last", await tracker.track(last), flush=True)


app = Litestar(
    [awaits, blocks, streams, afterwards],
    lifespan=[life],
    plugins=[TrackerPlugin(tracker, identity=IdentityOptions(trusted_proxies=["127.0.0.1"]))],
)
