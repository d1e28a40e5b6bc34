"""Starlette: everything in one line, and the tracker of a request."""

from __future__ import annotations

from typing import Unpack

from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from aiotracker import Tracker
from aiotracker.integrations.asgi import (
    MiddlewareOptions,
    TrackerMiddleware,
    page_url_in,
    tracker_in,
    tracker_lifespan,
)
from aiotracker.integrations.requests import RequestTracker

__all__ = ["TrackerMiddleware", "install", "page_url_of", "tracker_lifespan", "tracker_of"]


def install(app: Starlette, tracker: Tracker, **options: Unpack[MiddlewareOptions]) -> None:
    """Track with an application: the tracker lives as long as it, and knows who makes each request.

        tracker = Tracker("web", "https://collector.acme.com", app_id="shop")
        app = FastAPI(lifespan=lifespan)
        install(app, tracker)

    The application's own lifespan and its state stay as they are: the tracker is opened before it and
    closed after it.

    Args:
        app: of Starlette or FastAPI, not started.
        tracker: not open.
        options: those of `TrackerMiddleware`.
    Raises:
        ConfigurationError: an option that cannot work.
        RuntimeError: the application has started.
    """
    RequestTracker(tracker, **options)  # wrong options are told here, not with the first request
    app.add_middleware(TrackerMiddleware, tracker=tracker, **options)
    app.router.lifespan_context = tracker_lifespan(tracker, app.router.lifespan_context)


def tracker_of(connection: HTTPConnection) -> Tracker:
    """Return the tracker of a request or a websocket.

    Raises:
        TrackerStateError: nothing was installed in the application.
    """
    return tracker_in(connection.scope)


def page_url_of(connection: HTTPConnection) -> str:
    """Return the page of a request as its events have it; empty when it is unknown.

    Raises:
        TrackerStateError: nothing was installed in the application.
    """
    return page_url_in(connection.scope)
