"""A service whose module is loaded before its server forks: `gunicorn --preload …:app`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from aiotracker import PageView, Tracker

TRACKER = Tracker("preloaded", os.environ["COLLECTOR"])


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Open the tracker in each worker."""
    async with TRACKER:
        yield


async def home(request: Request) -> PlainTextResponse:
    """Track one event and answer its id and the worker's."""
    event_id = await TRACKER.track(PageView(page_url="https://acme.com/"))
    return PlainTextResponse(f"{os.getpid()} {event_id}")


app = Starlette(routes=[Route("/", home)], lifespan=lifespan)
