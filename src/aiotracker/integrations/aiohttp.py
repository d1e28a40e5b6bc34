"""aiohttp: the tracker of an application, and who is behind each of its requests.

    setup(app, Tracker("web", "https://collector.acme.com", app_id="shop"))

`setup()` is two parts, which can be used by themselves: `tracker_ctx()`, in which the tracker lives, and
`tracker_middleware()`, which puts a scope around every request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final, Unpack

from aiohttp import AsyncIterablePayload, Payload, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.typedefs import Handler, Middleware

import aiotracker
from aiotracker import Tracker
from aiotracker.integrations.identity import IdentityOptions, WebRequest
from aiotracker.integrations.requests import (
    DEFAULT_IDENTITY,
    MiddlewareOptions,
    RequestInfo,
    RequestTracker,
    origin_of,
)

__all__ = [
    "TRACKER_KEY",
    "page_url_of",
    "setup",
    "tracker_ctx",
    "tracker_middleware",
    "tracker_of",
    "web_request",
]

TRACKER_KEY: Final = web.AppKey("aiotracker.tracker", Tracker)
"""Where in an application its tracker stands: `request.app[TRACKER_KEY]`, or `tracker_of(request)`."""

PAGE_URL_KEY: Final = web.RequestKey("aiotracker.page_url", str)
SERVER_ERROR: Final = 500
GATEWAY_TIMEOUT: Final = 504  # what aiohttp answers to a TimeoutError


def setup(app: web.Application, tracker: Tracker, **options: Unpack[MiddlewareOptions]) -> None:
    """Track with an application: the tracker lives as long as it, and knows who makes each request.

    The tracker is opened before everything else of the application, and closed after everything else:
    what is tracked while the application starts and stops is delivered, too. The middleware is the
    outermost.

    Args:
        app: not started. One with applications inside needs this once, for the outer one.
        tracker: not open.
        options: those of `RequestTracker`.
    Raises:
        ConfigurationError: an option that cannot work.
    """
    middleware = tracker_middleware(tracker, **options)
    app.middlewares.insert(0, middleware)
    app.cleanup_ctx.insert(0, tracker_ctx(tracker))


def tracker_ctx(tracker: Tracker) -> Callable[[web.Application], AsyncIterator[None]]:
    """Return what keeps a tracker open for as long as an application lives.

        app.cleanup_ctx.insert(0, tracker_ctx(tracker))

    The first of the contexts is opened first, and closed last.
    """

    async def close(app: web.Application) -> None:  # noqa: ARG001 - as aiohttp calls it
        await tracker.aclose()

    async def context(app: web.Application) -> AsyncIterator[None]:
        if app.get(TRACKER_KEY) is not tracker:
            app[TRACKER_KEY] = tracker
        # After the contexts, `on_cleanup` has its other functions, and the applications inside stop:
        # closing waits for them. The first function runs the contexts.
        is_followed = any(each is not close for each in app.on_cleanup[1:])
        if is_followed and not app.on_cleanup.frozen:
            app.on_cleanup.append(close)
        await tracker.open()
        try:
            yield
        finally:
            # An application that fails to start is stopped by its contexts alone, before it is frozen.
            if close not in app.on_cleanup or not app.on_cleanup.frozen:
                await tracker.aclose()

    return context


def tracker_middleware(tracker: Tracker, **options: Unpack[MiddlewareOptions]) -> Middleware:
    """Return a middleware that says who is behind every event of a request.

    Around each handler stands a scope with what the request's identity says: of everything that is
    tracked there, in tasks that it starts and in bodies that are made while they are sent, too; around
    the handler of a websocket for as long as that is open. With `page_views` or `request_event` it also
    tracks requests, websockets left out, at the moment when the handler has answered.

    Args:
        tracker: open while the application serves; each automatic event goes to it.
        options: those of `RequestTracker`.
    Raises:
        ConfigurationError: an option that cannot work.
    """
    requests = RequestTracker(tracker, **options)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        url, visit = requests.visit(
            lambda: web_request(request, requests.base_url, requests.identity_options)
        )
        request[PAGE_URL_KEY] = url
        with visit:
            if not requests.has_events(request.path):
                return _within(visit, await handler(request))
            began_at = requests.clock()

            def report(status: int, response: web.StreamResponse | None = None) -> None:
                took = requests.clock() - began_at
                requests.report(lambda: _info(request, url, status, took, response))

            try:
                response = await handler(request)
            except web.HTTPException as answer:
                report(answer.status, answer)
                raise
            except Exception as error:
                report(GATEWAY_TIMEOUT if isinstance(error, TimeoutError) else SERVER_ERROR)
                raise
            if isinstance(response, web.StreamResponse) and not isinstance(response, web.WebSocketResponse):
                report(response.status, response)
            return _within(visit, response)

    return middleware


def tracker_of(request: web.Request) -> Tracker:
    """Return the tracker of a request, also inside of an application that is part of another.

    Raises:
        KeyError: nothing was set up in the application.
    """
    return request.config_dict[TRACKER_KEY]


def page_url_of(request: web.Request) -> str:
    """Return the page of a request as its events have it; empty when it is unknown.

    Raises:
        KeyError: nothing was set up in the application.
    """
    return request[PAGE_URL_KEY]


def web_request(
    request: web.Request, base_url: str | None = None, options: IdentityOptions = DEFAULT_IDENTITY
) -> WebRequest:
    """Return what a request tells of who made it.

    Args:
        request: as aiohttp has it.
        base_url: scheme, host and what else stands before the path; None to take what a trusted proxy
            says, or else the scheme of the connection and the Host header.
        options: which proxies are trusted; nobody by default.
    """
    headers = [(name.lower(), value) for name, value in request.raw_headers]
    peer = request.remote or None  # a Unix socket's peer has an empty name
    if base_url:
        origin = base_url.rstrip("/")
    else:
        # Not `request.host`, which looks up the name of this machine when the header is missing.
        origin = origin_of(request.scheme, _server(request), headers, peer, options)
    return WebRequest(f"{origin}{request.rel_url}" if origin else "", headers, peer)


def _server(request: web.Request) -> tuple[str, int] | None:
    """Return address and port that the request came to, None for a Unix socket."""
    transport = request.transport
    name = None if transport is None else transport.get_extra_info("sockname")
    return (name[0], name[1]) if isinstance(name, tuple) else None


def _info(
    request: web.Request, url: str, status: int, duration_s: float, response: web.StreamResponse | None
) -> RequestInfo:
    resource = request.match_info.route.resource
    is_typed = response is not None and hdrs.CONTENT_TYPE in response.headers
    return RequestInfo(
        method=request.method,
        url=url,
        path=request.path,
        route=None if resource is None else resource.canonical,
        status=status,
        duration_s=duration_s,
        content_type=response.content_type.lower() if response is not None and is_typed else "",
    )


def _within(visit: aiotracker.scope, response: web.StreamResponse) -> web.StreamResponse:
    """Have the body of a response made in the scope of its request, when it is made while it is sent."""
    if isinstance(response, web.Response) and isinstance(response.body, AsyncIterablePayload):
        response.body = _ScopedBody(response.body, visit)
    return response


class _ScopedBody(Payload):
    """A body that is made and sent after the middleware has returned."""

    def __init__(self, body: Payload, visit: aiotracker.scope) -> None:
        super().__init__(None, headers=body.headers)
        self._body = body
        self._visit = visit

    @property
    def size(self) -> int | None:
        return self._body.size

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._body.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        with self._visit:
            await self._body.write(writer)

    async def close(self) -> None:
        await self._body.close()
