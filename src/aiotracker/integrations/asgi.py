"""Any ASGI application: a scope around every request, and events that need no code of their own.

Pure ASGI: it serves Starlette, FastAPI, Litestar, Quart and Django alike, and sees a request to its very
end, streamed bodies and background tasks included. What goes wrong in here is logged; the request goes on.
"""

from __future__ import annotations

import functools
import logging
import math
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any, Final, TypeAlias, TypedDict, cast
from urllib.parse import quote

import aiotracker
from aiotracker import ConfigurationError, Event, InvalidEventError, PageView, Tracker, TrackerStateError
from aiotracker.integrations.identity import Identity, IdentityOptions, WebRequest, identify

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

LOGGER: Final = logging.getLogger("aiotracker")
LOG_INTERVAL: Final = 60.0  # seconds between two lines about the same thing
TRACKER_KEY: Final = "aiotracker.tracker"
PAGE_URL_KEY: Final = "aiotracker.page_url"
"""Where in the scope of a request these stand."""

DEFAULT_IDENTITY: Final = IdentityOptions()
SCHEMES: Final = {"ws": "http", "wss": "https"}  # a page has an address that a browser opens
PORTS: Final = {"http": 80, "https": 443}
MAX_PORT: Final = 65_535
HOST: Final = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\]|[A-Za-z0-9._~-]{1,255})(?::(?P<port>[0-9]{1,5}))?"
)
PATH_SAFE: Final = "/:@!$&'()*+,;=-._~"  # what RFC 3986 lets stand in a path
LAST_PARTS: Final = frozenset({"http.response.body", "http.response.zerocopysend", "http.response.pathsend"})
HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
SUCCESSES: Final = range(200, 300)
SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """A request that was answered.

    Attributes:
        method: `GET`, `POST`, …
        url: the page as the visitor's browser knows it; empty when unknown.
        path: inside the application, without its root path, decoded.
        route: the template that matched, such as `/products/{sku}`; None where the framework does not
            tell: Starlette, FastAPI and Litestar do.
        status: of the answer; 500 when the application raised, or never finished an answer.
        duration_s: seconds from the call of the application to the last part of its answer.
        content_type: media type of the answer without its parameters, in lower case; empty without one.
    """

    method: str
    url: str
    path: str
    route: str | None
    status: int
    duration_s: float
    content_type: str


RequestEvent: TypeAlias = Callable[[RequestInfo], Event | None]
"""Makes an event of a request, or None for none."""

Identify: TypeAlias = Callable[[WebRequest], Identity]
"""Tells who made a request."""


class MiddlewareOptions(TypedDict, total=False):
    """The keyword arguments of `TrackerMiddleware`, for what passes them on."""

    identity: IdentityOptions | Identify
    base_url: str | None
    page_views: bool
    request_event: RequestEvent | None
    include: Sequence[str | re.Pattern[str]]
    exclude: Sequence[str | re.Pattern[str]]


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
        identity: IdentityOptions | Identify = DEFAULT_IDENTITY,
        base_url: str | None = None,
        page_views: bool = False,
        request_event: RequestEvent | None = None,
        include: Sequence[str | re.Pattern[str]] = (),
        exclude: Sequence[str | re.Pattern[str]] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Describe what is done with requests.

        Args:
            app: what answers.
            tracker: open while the application serves; each automatic event goes to it.
            identity: what is read from requests and who is believed, or a function that does it all.
            base_url: how visitors call the server, `https://shop.acme.com`; without it the Host header
                says so, which is whatever a client wrote.
            page_views: track a page view for every page that was shown, as `viewed_page()` tells.
            request_event: makes an event of every answered request, or None for none.
            include: paths with automatic events, all by default: a text is the path itself and all
                below it, a pattern is searched in the path. The scope stands around every request.
            exclude: paths without automatic events, likewise; wins over `include`.
            clock: seconds, for durations and the log.
        Raises:
            ConfigurationError: `base_url` is no address of a web site.
        """
        if base_url is not None and not re.match(r"https?://[^/?#]+", base_url):
            raise ConfigurationError("base_url", base_url, "must be like https://shop.acme.com")
        self.app = app
        self._tracker = tracker
        self._identify = (
            functools.partial(identify, options=identity)
            if isinstance(identity, IdentityOptions)
            else identity
        )
        self._base_url = base_url
        self._events: list[RequestEvent] = [viewed_page] if page_views else []
        if request_event is not None:
            self._events.append(request_event)
        self._include = tuple(include)
        self._exclude = tuple(exclude)
        self._clock = clock
        self._said: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, inside a scope."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        url, visit = self._visit(scope)
        scope[TRACKER_KEY] = self._tracker
        scope[PAGE_URL_KEY] = url
        with visit:
            path = inner_path(scope)
            if scope["type"] == "websocket" or not self._events or not self._is_included(path):
                await self.app(scope, receive, send)
                return
            # As it is now: on the way to a mounted application, Starlette changes it in place.
            root_path = scope.get("root_path", "")

            def report(status: int, duration_s: float, content_type: str) -> None:
                route = _route(scope, root_path)
                self._track(RequestInfo(scope["method"], url, path, route, status, duration_s, content_type))

            answer = _Answer(send, report, self._clock)
            try:
                await self.app(scope, receive, answer.send)
            except Exception:
                answer.conclude(SERVER_ERROR)
                raise
            answer.conclude(SERVER_ERROR)  # unless it is finished, as it should be

    def _visit(self, scope: Scope) -> tuple[str, aiotracker.scope]:
        """Return the address of the page, and a scope of who asked for it."""
        url = ""
        try:
            request = web_request(scope, self._base_url)
            url = request.url
            who = self._identify(request)
            return who.subject.page_url or url, aiotracker.scope(subject=who.subject, context=who.entities)
        except Exception as error:  # noqa: BLE001 - whatever it is, the request is not to blame
            self._say("whose request it is was not found out", error)
            return url, aiotracker.scope()

    def _is_included(self, path: str) -> bool:
        is_wanted = not self._include or any(_matches(rule, path) for rule in self._include)
        return is_wanted and not any(_matches(rule, path) for rule in self._exclude)

    def _track(self, request: RequestInfo) -> None:
        """Track what a request has become. Does not wait: the answer is on its way."""
        for make in self._events:
            try:
                event = make(request)
                if event is not None:
                    self._tracker.track_nowait(event)
            except Exception as error:  # noqa: BLE001 - whatever it is, the request is not to blame
                self._say("the event of a request was not tracked", error)

    def _say(self, what: str, error: Exception) -> None:
        now = self._clock()
        if now - self._said.get(what, -math.inf) < LOG_INTERVAL:
            return  # what fails for one request fails for the next thousand, too
        self._said[what] = now
        LOGGER.error("%s: %s", what, error, exc_info=error)


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


def viewed_page(request: RequestInfo) -> PageView | None:
    """Return the page view of a request that got a page: GET, 2xx, HTML; None for any other.

    None as well for a page whose address is unknown, or none that the pipeline would take.
    """
    if request.method != "GET" or request.status not in SUCCESSES or request.content_type not in HTML:
        return None
    try:
        return PageView.clipped(page_url=request.url)
    except InvalidEventError:
        return None


def web_request(scope: Mapping[str, Any], base_url: str | None = None) -> WebRequest:
    """Return what an ASGI scope tells of a request.

    Args:
        scope: of type `http` or `websocket`.
        base_url: scheme, host and what else stands before the path; None to take the Host header.
    """
    headers = [(bytes(name), bytes(value)) for name, value in scope["headers"]]
    client = scope.get("client")
    return WebRequest(_url(scope, headers, base_url), headers, (client[0] or None) if client else None)


def inner_path(scope: Mapping[str, Any]) -> str:
    """Return the path inside the application, without its root path."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and _is_below(path, root):
        return path[len(root) :] or "/"
    return path


def _url(scope: Mapping[str, Any], headers: Sequence[tuple[bytes, bytes]], base_url: str | None) -> str:
    origin = base_url.rstrip("/") if base_url else _origin(scope, headers)
    if not origin:
        return ""
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{origin}{_path(scope)}?{query}" if query else f"{origin}{_path(scope)}"


def _origin(scope: Mapping[str, Any], headers: Sequence[tuple[bytes, bytes]]) -> str:
    """Return scheme, host and port; empty when they are unknown."""
    scheme: str = scope.get("scheme", "http")
    scheme = SCHEMES.get(scheme, scheme)
    for name, value in headers:
        if name == b"host" and (host := value.decode("latin-1")) and _is_host(host):
            return f"{scheme}://{host}"
    server, port = scope.get("server") or (None, None)
    if server is None or port is None:  # a Unix socket has a path and no port
        return ""
    named = f"[{server}]" if ":" in server else server
    return f"{scheme}://{named}" if port == PORTS.get(scheme) else f"{scheme}://{named}:{port}"


def _is_host(text: str) -> bool:
    """Tell whether a Host header names a host that a URL can have; a client writes what it likes."""
    match = HOST.fullmatch(text)
    if match is None or int(match["port"] or 0) > MAX_PORT:
        return False
    if match["ipv6"] is None:
        return True
    try:
        IPv6Address(match["ipv6"])
    except ValueError:
        return False
    return True


def _path(scope: Mapping[str, Any]) -> str:
    """Return the path as the browser wrote it, with what a proxy took away from its front."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"], safe=PATH_SAFE).encode()
    path = raw.partition(b"?")[0].decode("latin-1")
    root = quote(scope.get("root_path", ""), safe=PATH_SAFE)
    return path if _is_below(path, root) else root + path


def _is_below(path: str, prefix: str) -> bool:
    bare = prefix.rstrip("/")
    return path == bare or path.startswith(f"{bare}/")


def _matches(rule: str | re.Pattern[str], path: str) -> bool:
    return _is_below(path, rule) if isinstance(rule, str) else rule.search(path) is not None


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
