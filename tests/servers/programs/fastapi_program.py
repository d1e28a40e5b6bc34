"""A FastAPI application with a tracker installed in one line.

Each request tracks one event under the token in its path, and answers the event's id. In its last lines
the application tracks one event more.
"""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import PlainTextResponse, StreamingResponse

from aiotracker import StructuredEvent, Tracker
from aiotracker.integrations.fastapi import TrackerDep, install
from aiotracker.integrations.identity import IdentityOptions

tracker = Tracker("servers", os.environ["COLLECTOR_URL"])


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, str]]:
    """Keep a state of the application's own, and tell when it begins to stop."""
    yield {"motto": "hello"}
    print("leaving", time.monotonic(), flush=True)
    last = StructuredEvent(category="life", action="stopped")
    print("last", await tracker.track(last), flush=True)


app = FastAPI(lifespan=lifespan)
install(app, tracker, identity=IdentityOptions(trusted_proxies=["127.0.0.1"]))


def visit(token: str, event_id: str | None = None) -> StructuredEvent:
    """Return the event of a request."""
    return StructuredEvent(category="visit", action=token, event_id=event_id)


@app.get("/await/{token}", response_class=PlainTextResponse)
async def awaits(token: str, tracker: TrackerDep) -> str:
    """Let others run, then track."""
    await anyio.sleep(0.001)
    return str(await tracker.track(visit(token)))


@app.get("/block/{token}", response_class=PlainTextResponse)
def blocks(token: str, tracker: TrackerDep) -> str:
    """Track from a thread."""
    return str(tracker.track_nowait(visit(token)))


@app.get("/stream/{token}")
async def streams(token: str, tracker: TrackerDep) -> StreamingResponse:
    """Track in the middle of the body."""

    async def parts() -> AsyncIterator[str]:
        yield ""
        await anyio.sleep(0.001)
        yield str(await tracker.track(visit(token)))

    return StreamingResponse(parts(), media_type="text/plain")


@app.get("/after/{token}", response_class=PlainTextResponse)
async def afterwards(token: str, tracker: TrackerDep, tasks: BackgroundTasks) -> str:
    """Track when the answer is out."""
    event_id = tracker.get_uuid()
    tasks.add_task(tracker.track, visit(token, event_id))
    return event_id
