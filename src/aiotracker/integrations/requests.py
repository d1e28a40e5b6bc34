"""What every web framework has in common: whose a request is, and which events it makes by itself.

Owns the options of the integrations and their meaning. Knows no framework: each hands over what it has.
What goes wrong in here is logged, at most once a minute for each thing; the request goes on.
"""

from __future__ import annotations

import functools
import logging
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypedDict

import aiotracker
from aiotracker import ConfigurationError, Event, InvalidEventError, PageView, Tracker
from aiotracker.integrations.forwarding import is_host
from aiotracker.integrations.identity import Identity, IdentityOptions, WebRequest, identify, page_origin

__all__ = [
    "DEFAULT_IDENTITY",
    "Identify",
    "MiddlewareOptions",
    "PathRules",
    "RequestEvent",
    "RequestInfo",
    "RequestTracker",
    "is_below",
    "is_page",
    "origin_of",
    "viewed_page",
]

LOGGER: Final = logging.getLogger("aiotracker")
LOG_INTERVAL: Final = 60.0  # seconds between two lines about the same thing
NOT_TRACKED: Final = "the event of a request was not tracked"

DEFAULT_IDENTITY: Final = IdentityOptions()
HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
SUCCESSES: Final = range(200, 300)
SCHEMES: Final = {"ws": "http", "wss": "https"}  # a page has an address that a browser opens
PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """A request that was answered.

    Attributes:
        method: `GET`, `POST`, …
        url: the page as the visitor's browser knows it; empty when unknown.
        path: inside the application, without its root path, decoded.
        route: the template that matched, such as `/products/{sku}`; None where the framework does not
            tell, or nothing matched.
        status: of the answer; 500 when the application raised, or never finished an answer.
        duration_s: seconds from the call of the application to its answer.
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
    """The keyword arguments of every integration, for what passes them on."""

    identity: IdentityOptions | Identify
    base_url: str | None
    page_views: bool
    request_event: RequestEvent | None
    include: Sequence[str | re.Pattern[str]]
    exclude: Sequence[str | re.Pattern[str]]


@dataclass(frozen=True, slots=True)
class PathRules:
    """Which paths of a site have automatic events.

    Attributes:
        include: all where it is empty: a text is the path itself and all below it, a pattern is searched in
            the path.
        exclude: likewise; wins over `include`.
    """

    include: tuple[str | re.Pattern[str], ...] = ()
    exclude: tuple[str | re.Pattern[str], ...] = ()

    def allow(self, path: str) -> bool:
        """Tell whether a path is included, and not excluded."""
        is_wanted = not self.include or any(_matches(rule, path) for rule in self.include)
        return is_wanted and not any(_matches(rule, path) for rule in self.exclude)


class RequestTracker:
    """Finds out who makes requests, and tracks those that are wanted as events."""

    def __init__(
        self,
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
            tracker: open while the application serves; each automatic event goes to it.
            identity: what is read from requests and who is believed, or a function that does it all.
            base_url: how visitors call the server, `https://shop.acme.com`; without it the proxies say so
                that `identity` trusts, or else the Host header, which is whatever a client wrote.
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
        self._tracker = tracker
        # A function of the user's own says who made a request, and of no proxy that it is trusted.
        self.identity_options: IdentityOptions = (
            identity if isinstance(identity, IdentityOptions) else DEFAULT_IDENTITY
        )
        self._identify: Identify = (
            functools.partial(identify, options=identity)
            if isinstance(identity, IdentityOptions)
            else identity
        )
        self.base_url: str | None = base_url
        self._events: list[RequestEvent] = [viewed_page] if page_views else []
        if request_event is not None:
            self._events.append(request_event)
        self._rules = PathRules(tuple(include), tuple(exclude))
        self.clock = clock
        self._said: dict[str, float] = {}

    def visit(self, build: Callable[[], WebRequest]) -> tuple[str, aiotracker.scope]:
        """Return the address of the page, empty when unknown, and a scope of who asked for it."""
        url = ""
        try:
            request = build()
            url = request.url
            who = self._identify(request)
            return who.subject.page_url or url, aiotracker.scope(subject=who.subject, context=who.entities)
        except Exception as error:  # noqa: BLE001 - whatever it is, the request is not to blame
            self._say("whose request it is was not found out", error)
            return url, aiotracker.scope()

    def has_events(self, path: str) -> bool:
        """Tell whether a request for a path may make events."""
        return bool(self._events) and self._rules.allow(path)

    def report(self, build: Callable[[], RequestInfo]) -> None:
        """Track what a request has become. Does not wait: the answer is on its way."""
        try:
            info = build()
        except Exception as error:  # noqa: BLE001 - whatever it is, the request is not to blame
            self._say(NOT_TRACKED, error)
            return
        for make in self._events:
            try:
                event = make(info)
                if event is not None:
                    self._tracker.track_nowait(event)
            except Exception as error:  # noqa: BLE001 - as above
                self._say(NOT_TRACKED, error)

    def _say(self, what: str, error: Exception) -> None:
        now = self.clock()
        if now - self._said.get(what, -math.inf) < LOG_INTERVAL:
            return  # what fails for one request fails for the next thousand, too
        self._said[what] = now
        LOGGER.error("%s: %s", what, error, exc_info=error)


def viewed_page(request: RequestInfo) -> PageView | None:
    """Return the page view of a request that got a page: GET, 2xx, HTML; None for any other.

    None as well for a page whose address is unknown, or none that the pipeline would take.
    """
    if not is_page(request.method, request.status, request.content_type):
        return None
    try:
        return PageView.clipped(page_url=request.url)
    except InvalidEventError:
        return None


def is_page(method: str, status: int, content_type: str) -> bool:
    """Tell whether a request was answered with a page: GET, 2xx, HTML.

    Args:
        method: `GET`, `POST`, …
        status: of the answer.
        content_type: of the answer, without its parameters, in lower case.
    """
    return method == "GET" and status in SUCCESSES and content_type in HTML


def origin_of(
    scheme: str,
    server: tuple[str, int] | None,
    headers: Sequence[tuple[bytes, bytes]],
    client: str | None,
    options: IdentityOptions = DEFAULT_IDENTITY,
) -> str:
    """Return scheme, host and port as the visitor's browser has them; empty when they are unknown.

    Args:
        scheme: of the connection.
        server: address and port of this server, None for a Unix socket.
        headers: names in lower case and values; a Host header that is no host is not believed.
        client: address of the peer that is connected, None when it has none.
        options: which proxies are believed when they name scheme and host.
    """
    said = page_origin(headers, client, options)
    scheme = said.scheme or scheme
    scheme = SCHEMES.get(scheme, scheme)
    host = said.host or next((value.decode("latin-1") for name, value in headers if name == b"host"), "")
    if is_host(host):
        return f"{scheme}://{host}"
    if server is None:
        return ""
    address, port = server
    named = f"[{address}]" if ":" in address else address
    return f"{scheme}://{named}" if port == PORTS.get(scheme) else f"{scheme}://{named}:{port}"


def is_below(path: str, prefix: str) -> bool:
    """Tell whether a path is a prefix, or lies below it."""
    stem = prefix.rstrip("/")
    return path == stem or path.startswith(f"{stem}/")


def _matches(rule: str | re.Pattern[str], path: str) -> bool:
    return is_below(path, rule) if isinstance(rule, str) else rule.search(path) is not None
