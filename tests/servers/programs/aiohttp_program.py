"""An aiohttp application with a tracker set up in one line: `aiohttp_program PORT`, or under gunicorn.

Each request tracks one event under the token in its path, and answers the event's id. In its last lines
the application tracks one event more.
"""

import os
import sys
import time
from collections.abc import AsyncIterator

import anyio
from aiohttp import web

from aiotracker import StructuredEvent, Tracker
from aiotracker.integrations.aiohttp import TRACKER_KEY, setup, tracker_of
from aiotracker.integrations.identity import IdentityOptions

routes = web.RouteTableDef()


def visit(token: str, event_id: str | None = None) -> StructuredEvent:
    """Return the event of a request."""
    return StructuredEvent(category="visit", action=token, event_id=event_id)


@routes.get("/await/{token}")
async def awaits(request: web.Request) -> web.Response:
    """Let others run, then track."""
    await anyio.sleep(0.001)
    return web.Response(text=await tracker_of(request).track(visit(request.match_info["token"])))


@routes.get("/write/{token}")
async def writes(request: web.Request) -> web.StreamResponse:
    """Track in the middle of a body that the handler writes."""
    response = web.StreamResponse()
    await response.prepare(request)
    await anyio.sleep(0.001)
    event_id = await tracker_of(request).track(visit(request.match_info["token"]))
    await response.write(str(event_id).encode())
    return response


@routes.get("/stream/{token}")
async def streams(request: web.Request) -> web.Response:
    """Track in the middle of a body that aiohttp asks for after the handler."""

    async def parts() -> AsyncIterator[bytes]:
        await anyio.sleep(0.001)
        yield str(await tracker_of(request).track(visit(request.match_info["token"]))).encode()

    return web.Response(body=parts())


@routes.get("/after/{token}")
async def afterwards(request: web.Request) -> web.StreamResponse:
    """Track when the answer is out."""
    tracker = tracker_of(request)
    event_id = tracker.get_uuid()
    response = web.Response(text=event_id)
    await response.prepare(request)
    await response.write_eof()
    await tracker.track(visit(request.match_info["token"], event_id))
    return response


async def life(app: web.Application) -> AsyncIterator[None]:
    """Tell when the application begins to stop."""
    yield
    print("leaving", time.monotonic(), flush=True)
    last = StructuredEvent(category="life", action="stopped")
    print("last", await app[TRACKER_KEY].track(last), flush=True)


def create_app() -> web.Application:
    """Build the application; each process that serves it has a tracker of its own."""
    app = web.Application()
    app.cleanup_ctx.append(life)
    tracker = Tracker("servers", os.environ["COLLECTOR_URL"])
    setup(app, tracker, identity=IdentityOptions(trusted_proxies=["127.0.0.1"]))
    app.add_routes(routes)
    return app


if __name__ == "__main__":
    web.run_app(create_app(), host="127.0.0.1", port=int(sys.argv[1]), print=None)
