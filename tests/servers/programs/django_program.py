"""A Django site in one module, for ASGI (`application`) and WSGI (`wsgi`).

Each request tracks one event under the token in its path, and answers the event's id. When the site begins
to stop it prints `leaving` with its clock, and tracks one event more. For WSGI that is gunicorn's hook, read
by `--config python:tests.servers.programs.django_program`.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from aiotracker import StructuredEvent, Tracker, hosted
from aiotracker.integrations.django import get_tracker, with_lifespan

events = hosted(Tracker("servers", os.environ["COLLECTOR_URL"]))

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    MIDDLEWARE=[
        "aiotracker.integrations.django.TrackerMiddleware",
        "django.middleware.common.CommonMiddleware",
        f"{__name__}.bystander",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="made-up",
    AIOTRACKER={"TRACKER": events, "TRUSTED_PROXIES": ["127.0.0.1"]},
)
django.setup()


def bystander(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Be a middleware that knows nothing of `async`: under ASGI Django runs it in a thread."""
    return lambda request: get_response(request)  # noqa: PLW0108 - a function, which Django marks


def visit(token: str) -> StructuredEvent:
    """Return the event of a request."""
    return StructuredEvent(category="visit", action=token)


def blocks(request: HttpRequest, token: str) -> HttpResponse:
    """Track from a synchronous view."""
    return HttpResponse(str(get_tracker().track_nowait(visit(token))), content_type="text/plain")


async def awaits(request: HttpRequest, token: str) -> HttpResponse:
    """Let others run, then track."""
    await asyncio.sleep(0.001)
    return HttpResponse(str(get_tracker().track_nowait(visit(token))), content_type="text/plain")


def streams(request: HttpRequest, token: str) -> StreamingHttpResponse:
    """Track in the middle of the body."""

    def parts() -> Iterator[str]:
        yield ""
        yield str(get_tracker().track_nowait(visit(token)))

    return StreamingHttpResponse(parts(), content_type="text/plain")


async def astreams(request: HttpRequest, token: str) -> StreamingHttpResponse:
    """Track in the middle of a body that is awaited."""

    async def parts() -> AsyncIterator[str]:
        yield ""
        await asyncio.sleep(0.001)
        yield str(get_tracker().track_nowait(visit(token)))

    return StreamingHttpResponse(parts(), content_type="text/plain")


urlpatterns = [
    path("block/<token>", blocks),
    path("await/<token>", awaits),
    path("stream/<token>", streams),
    path("astream/<token>", astreams),
]


def leave() -> None:
    """Say that the site begins to stop, and track its last event."""
    sys.stdout.write(f"leaving {time.monotonic()}\n")
    last = events.track_nowait(StructuredEvent(category="life", action="stopped"))
    sys.stdout.write(f"last {last}\n")
    sys.stdout.flush()


def worker_exit(server: object, worker: object) -> None:
    """End a worker of gunicorn: WSGI has no other way to tell."""
    leave()


Message = MutableMapping[str, Any]
served = with_lifespan(get_asgi_application())


async def application(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Serve the site, and notice when it begins to stop."""

    async def noticing() -> Message:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            leave()
        return message

    await served(scope, noticing if scope["type"] == "lifespan" else receive, send)


wsgi = get_wsgi_application()
