"""Any ASGI application: a scope around every request, and events that need no code of their own.

Pure ASGI: it serves Starlette, FastAPI, Litestar, Quart and Django alike, and sees a request to its very
end, streamed bodies and background tasks included. What goes wrong in here is logged; the request goes on.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeAlias, Unpack, cast
from urllib.parse import quote

from aiotracker import Tracker, TrackerStateError
from aiotracker.integrations.identity import IdentityOptions, WebRequest
from aiotracker.integrations.requests import (
    DEFAULT_IDENTITY,
    MiddlewareOptions,
    RequestInfo,
    RequestTracker,
    is_below,
    origin_of,
    viewed_page,
)

__all__ = [
    "MiddlewareOptions",
    "RequestInfo",
    "TrackerMiddleware",
    "page_url_in",
    "tracker_in",
    "tracker_lifespan",
    "viewed_page",
    "web_request",
]

Scope: TypeAlias = MutableMapping[str, Any]  # Any: the specification types each key in words
Message: TypeAlias = MutableMapping[str, Any]  # likewise
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

Lifespan: TypeAlias = Callable[[Any], AbstractAsyncContextManager[Any]]
"""Takes an application of any framework; what it yields, if anything, is the framework's business."""

TRACKER_KEY: Final = "aiotracker.tracker"
PAGE_URL_KEY: Final = "aiotracker.page_url"
"""Where in the scope of a request these stand."""

PATH_SAFE: Final = "/:@!$&'()*+,;=-._~"  # what RFC 3986 lets stand in a path
LAST_PARTS: Final = frozenset({"http.response.body", "http.response.zerocopysend", "http.response.pathsend"})
SERVER_ERROR: Final = 500


class TrackerMiddleware:
    """Says who is behind every event of a request, and tracks requests where that is wanted.

        app = TrackerMiddleware(app, tracker)

    Around each HTTP request and each websocket stands a scope with what its identity says: of
    everything that is tracked there, in tasks and threads that it starts too. The lifespan passes
    through untouched: `tracker_lifespan()` opens and closes the tracker.
    """

    def __init__(
        self,
        app: ASGIApp,
        tracker: Tracker,
        *,
        clock: Callable[[], float] = time.monotonic,
        **options: Unpack[MiddlewareOptions],
    ) -> None:
        """Describe what is done with requests.

        Args:
            app: what answers.
            tracker: open while the application serves; each automatic event goes to it.
            clock: seconds, for durations and the log.
            options: those of `RequestTracker`.
        Raises:
            ConfigurationError: an option that cannot work.
        """
        self.app = app
        self._tracker = tracker
        self._requests = RequestTracker(tracker, clock=clock, **options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, inside a scope."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        requests = self._requests
        url, visit = requests.visit(lambda: web_request(scope, requests.base_url, requests.identity_options))
        scope[TRACKER_KEY] = self._tracker
        scope[PAGE_URL_KEY] = url
        with visit:
            path = inner_path(scope)
            if scope["type"] == "websocket" or not requests.has_events(path):
                await self.app(scope, receive, send)
                return
            # As it is now: on the way to a mounted application, Starlette changes it in place.
            root_path = scope.get("root_path", "")

            def report(status: int, duration_s: float, content_type: str) -> None:
                requests.report(
                    lambda: RequestInfo(
                        scope["method"], url, path, _route(scope, root_path), status, duration_s, content_type
                    )
                )

            answer = _Answer(send, report, requests.clock)
            try:
                await self.app(scope, receive, answer.send)
            except Exception:
                answer.conclude(SERVER_ERROR)
                raise
            answer.conclude(SERVER_ERROR)  # unless it is finished, as it should be


class _Answer:
    """The answer to one request, as it goes by; concluded once."""

    def __init__(
        self, send: Send, report: Callable[[int, float, str], None], clock: Callable[[], float]
    ) -> None:
        self._send = send
        self._report = report
        self._clock = clock
        self._began_at = clock()
        self._status = SERVER_ERROR
        self._content_type = ""
        self._is_concluded = False

    async def send(self, message: Message) -> None:
        """Pass a part on, after a look at it."""
        kind = message["type"]
        if kind == "http.response.start":
            self._status = message["status"]
            self._content_type = _content_type(message.get("headers", ()))
        elif kind in LAST_PARTS and not message.get("more_body", False):
            self.conclude(self._status)  # before it leaves: who has the answer may count on its event
        await self._send(message)

    def conclude(self, status: int) -> None:
        """Report the answer, unless that was done."""
        if not self._is_concluded:
            self._is_concluded = True
            self._report(status, self._clock() - self._began_at, self._content_type)


def tracker_lifespan(tracker: Tracker, inner: Lifespan | None = None) -> Lifespan:
    """Return a lifespan that keeps a tracker open, around one of your own.

        app = FastAPI(lifespan=tracker_lifespan(tracker, lifespan))

    The tracker is open before `inner` starts and is closed after it has stopped, so that what is
    tracked in its last lines is delivered. Closing takes 5 seconds at most.

    Args:
        tracker: not open; opened again with every start of the application.
        inner: takes the application, and is entered and left as it would be without this; its state is
            passed on.
    """

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncGenerator[Any, None]:  # noqa: ANN401 - what Lifespan says
        async with tracker:
            if inner is None:
                yield None
            else:
                async with inner(app) as state:
                    yield state

    return lifespan


def tracker_in(scope: Mapping[str, Any]) -> Tracker:
    """Return the tracker of a request, from its ASGI scope.

    Raises:
        TrackerStateError: no `TrackerMiddleware` stands around the application.
    """
    tracker = scope.get(TRACKER_KEY)
    if not isinstance(tracker, Tracker):
        raise TrackerStateError("no tracker came with this request: add TrackerMiddleware to the application")
    return tracker


def page_url_in(scope: Mapping[str, Any]) -> str:
    """Return the page of a request as its events have it, from its ASGI scope; empty when it is unknown.

    Raises:
        TrackerStateError: no `TrackerMiddleware` stands around the application.
    """
    tracker_in(scope)
    return str(scope[PAGE_URL_KEY])


def web_request(
    scope: Mapping[str, Any], base_url: str | None = None, options: IdentityOptions = DEFAULT_IDENTITY
) -> WebRequest:
    """Return what an ASGI scope tells of a request.

    Args:
        scope: of type `http` or `websocket`.
        base_url: scheme, host and what else stands before the path; None to take what a trusted proxy
            says, or else the scheme of the connection and the Host header.
        options: which proxies are trusted; nobody by default.
    """
    headers = [(bytes(name), bytes(value)) for name, value in scope["headers"]]
    address, port = scope.get("server") or (None, None)
    server = None if address is None or port is None else (address, port)  # a Unix socket has no port
    client = scope.get("client")
    peer = (client[0] or None) if client else None
    scheme = scope.get("scheme", "http")
    origin = base_url.rstrip("/") if base_url else origin_of(scheme, server, headers, peer, options)
    return WebRequest(f"{origin}{_target(scope)}" if origin else "", headers, peer)


def inner_path(scope: Mapping[str, Any]) -> str:
    """Return the path inside the application, without its root path."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and is_below(path, root):
        return path[len(root) :] or "/"
    return path


def _target(scope: Mapping[str, Any]) -> str:
    """Return path and query."""
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{_path(scope)}?{query}" if query else _path(scope)


def _path(scope: Mapping[str, Any]) -> str:
    """Return the path as the browser wrote it, with what a proxy took away from its front."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"], safe=PATH_SAFE).encode()
    path = raw.partition(b"?")[0].decode("latin-1")
    root = quote(scope.get("root_path", ""), safe=PATH_SAFE)
    return path if is_below(path, root) else root + path


def _route(scope: Mapping[str, Any], root_path: str) -> str | None:
    """Return the template of the route that was taken, None when the framework left none in the scope.

    A mounted application adds the prefix that it was found under, as it stood in the request.
    """
    template: Any = scope.get("path_template")  # Litestar
    if isinstance(template, str):
        return template
    route: Any = scope.get("route")  # FastAPI; newer releases of Starlette
    inner = scope.get("fastapi")  # where newer ones keep the prefix of an included router
    contexts = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}
    effective = contexts.get("effective_route_context")
    if route is not None and getattr(effective, "original_route", None) is route:
        route = effective
    template = getattr(route, "path_format", None) or getattr(route, "path", None)
    if not isinstance(template, str):
        return None
    mounted = str(scope.get("root_path", "")).removeprefix(root_path)
    is_mount = not hasattr(route, "endpoint")
    return f"{mounted}/{{path}}" if is_mount else mounted + template


def _content_type(headers: Sequence[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name.lower() == b"content-type":
            return value.partition(b";")[0].strip().lower().decode("latin-1")
    return ""
