"""Django, on WSGI and ASGI: a middleware that says who made a request, and the tracker of the site.

    MIDDLEWARE = ["aiotracker.integrations.django.TrackerMiddleware", ...]
    AIOTRACKER = {"COLLECTOR": "https://collector.acme.com", "APP_ID": "shop"}

    def place_order(request):
        get_tracker().track_nowait(StructuredEvent(category="order", action="placed"))

The tracker is hosted on both: Django has no place where an ASGI application begins and ends, and its views
may run in threads. Knows Django's requests and settings; what a request tells of a visitor is `identity`'s
business.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, fields
from typing import Any, Final, TypeAlias, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.core.exceptions import DisallowedHost, ImproperlyConfigured
from django.core.signals import setting_changed
from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string

from aiotracker import AiotrackerError, HostedTracker, PageView, Tracker, hosted, scope
from aiotracker.integrations.identity import IdentityOptions, WebRequest, identify
from aiotracker.integrations.requests import PathRules, is_page

__all__ = ["TrackerMiddleware", "get_tracker", "with_lifespan"]

Connection: TypeAlias = MutableMapping[str, Any]  # Any: the specification of ASGI types each key in words
Message: TypeAlias = MutableMapping[str, Any]  # likewise
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApplication: TypeAlias = Callable[[Connection, Receive, Send], Awaitable[None]]
GetResponse: TypeAlias = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]
Rule: TypeAlias = str | re.Pattern[str]

SETTING: Final = "AIOTRACKER"
IDENTITY: Final = {field.name.upper(): field.name for field in fields(IdentityOptions) if field.init}
"""What the options of `identify()` are called in the settings."""
BUILDING: Final = ("COLLECTOR", "NAMESPACE", "APP_ID")
PAGES: Final = ("PAGE_VIEWS", "INCLUDE", "EXCLUDE")
KNOWN: Final = frozenset({"TRACKER", *BUILDING, *PAGES, *IDENTITY})

LOGGER: Final = logging.getLogger("aiotracker")

_trackers: Final[dict[str, HostedTracker]] = {}
"""The tracker of the settings, once it was asked for; empty or one."""

_chosen: Final[dict[str, _Options]] = {}
"""Likewise the options."""


def get_tracker() -> HostedTracker:
    """Return the tracker of the site, described by the setting `AIOTRACKER`. Safe in any thread.

    Raises:
        ImproperlyConfigured: the setting is missing, or says what cannot work.
    """
    found = _trackers.get(SETTING)
    # Two threads may build one at once. The first is kept; the other was never opened, and is nothing.
    return found if found is not None else _trackers.setdefault(SETTING, _tracker(_setting()))


class TrackerMiddleware:
    """Says of every event of a request who made it, and tracks page views if the settings say so.

    Runs in both worlds without changing over: with `await` around asynchronous views under ASGI, without
    one around synchronous ones. What a streaming response tracks while it is sent belongs to its request,
    too. Put it first, so that it surrounds the other middlewares.
    """

    sync_capable: bool = True
    async_capable: bool = True

    def __init__(self, get_response: GetResponse) -> None:
        """Read the settings; the tracker is opened by the first request that a process answers.

        Raises:
            ImproperlyConfigured: the setting is missing, or says what cannot work.
        """
        get_tracker()
        _options()
        self._get_response = get_response
        self._opened_in = 0
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer a request inside the scope of who made it."""
        if self._is_async:
            return self._answer(request)
        who = identify(_web_request(request), _options().identity)
        visit = scope(subject=who.subject, context=who.entities)
        with visit:
            response = cast("HttpResponseBase", self._get_response(request))
            _track_view(who.subject.page_url, request, response)
        return _covered(response, visit)

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        await self._open()
        who = identify(_web_request(request), _options().identity)
        visit = scope(subject=who.subject, context=who.entities)
        with visit:
            response = await cast("Awaitable[HttpResponseBase]", self._get_response(request))
            _track_view(who.subject.page_url, request, response)
        return _covered(response, visit)

    async def _open(self) -> None:
        """Open the tracker before the first request, in a thread: the loop does not stand still meanwhile."""
        if self._opened_in == os.getpid():
            return
        try:
            await sync_to_async(get_tracker().open, thread_sensitive=False)()
        except Exception:  # whatever it is, the request is not to blame
            LOGGER.exception("the tracker of the site cannot be opened")
        self._opened_in = os.getpid()


def with_lifespan(application: ASGIApplication) -> ASGIApplication:
    """Return an ASGI application that opens and closes the tracker with its server.

        application = with_lifespan(get_asgi_application())

    Under ASGI this is what delivers the last events: uvicorn ends itself by the signal that it got, and
    Python runs no exit hooks then. Servers without the lifespan protocol never ask, and lose nothing by it.
    """

    async def wrapped(asked: Connection, receive: Receive, send: Send) -> None:
        if asked["type"] != "lifespan":
            await application(asked, receive, send)
            return
        await receive()  # lifespan.startup
        try:
            tracker = get_tracker()
            await sync_to_async(tracker.open, thread_sensitive=False)()
        except Exception as error:  # noqa: BLE001 - raised, a server takes it for a protocol that is not spoken
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
        await sync_to_async(tracker.close, thread_sensitive=False)()
        await send({"type": "lifespan.shutdown.complete"})

    return wrapped


# -- settings -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Options:
    """What the middleware does.

    Attributes:
        identity: what is read from requests.
        page_views: whether to track them.
        rules: which paths count.
    """

    identity: IdentityOptions
    page_views: bool
    rules: PathRules

    def wants_view_of(self, path: str) -> bool:
        """Tell whether views of a path are to be tracked."""
        return self.page_views and self.rules.allow(path)


def _setting() -> Mapping[str, object]:
    given = getattr(settings, SETTING, None)
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(
            f'{SETTING} must be a dictionary, such as {{"COLLECTOR": "https://collector.acme.com"}}'
        )
    if unknown := sorted(set(given) - KNOWN):
        raise ImproperlyConfigured(
            f"{SETTING} knows no {unknown[0]!r}; it may have {', '.join(sorted(KNOWN))}"
        )
    return given


def _tracker(setting: Mapping[str, object]) -> HostedTracker:
    if ("TRACKER" in setting) == ("COLLECTOR" in setting):
        raise ImproperlyConfigured(
            f"{SETTING} must have either COLLECTOR, an address, or TRACKER, the dotted path of a tracker"
        )
    if "TRACKER" not in setting:
        try:
            return hosted(
                Tracker(
                    cast("str", setting.get("NAMESPACE", "django")),
                    cast("str", setting["COLLECTOR"]),
                    app_id=cast("str | None", setting.get("APP_ID")),
                )
            )
        except AiotrackerError as error:
            raise ImproperlyConfigured(f"{SETTING}: {error}") from error
    if given := [name for name in BUILDING if name in setting]:
        raise ImproperlyConfigured(
            f"{SETTING}: {given[0]} belongs to the TRACKER that is given: set it there"
        )
    found = setting["TRACKER"]
    if isinstance(found, str):
        try:
            found = import_string(found)
        except ImportError as error:
            raise ImproperlyConfigured(f"{SETTING}: TRACKER cannot be imported: {error}") from error
    if isinstance(found, HostedTracker):
        return found
    if isinstance(found, Tracker):
        return hosted(found)
    raise ImproperlyConfigured(f"{SETTING}: TRACKER is {found!r}, and no Tracker or hosted(Tracker(…))")


def _options() -> _Options:
    found = _chosen.get(SETTING)
    return found if found is not None else _chosen.setdefault(SETTING, _read_options(_setting()))


def _read_options(setting: Mapping[str, object]) -> _Options:
    identity: dict[str, Any] = {name: setting[key] for key, name in IDENTITY.items() if key in setting}
    try:
        options = IdentityOptions(**identity)
    except AiotrackerError as error:
        raise ImproperlyConfigured(f"{SETTING}: {error}") from error
    return _Options(
        options,
        bool(setting.get("PAGE_VIEWS", False)),
        PathRules(_rules(setting, "INCLUDE"), _rules(setting, "EXCLUDE")),
    )


def _rules(setting: Mapping[str, object], name: str) -> tuple[Rule, ...]:
    given = setting.get(name, ())
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ImproperlyConfigured(f'{SETTING}: {name} must be a list of paths, such as ["/admin"]')
    rules = tuple(given)
    if wrong := [rule for rule in rules if not isinstance(rule, str | re.Pattern)]:
        raise ImproperlyConfigured(f"{SETTING}: {name} has {wrong[0]!r}, which is no path and no pattern")
    return rules


def _forget(*, setting: str, **_more: object) -> None:
    if setting == SETTING:
        _trackers.clear()
        _chosen.clear()


setting_changed.connect(_forget)  # sent by `override_settings()` in a site's tests


# -- requests and responses ---------------------------------------------------------------------------


def _web_request(request: HttpRequest) -> WebRequest:
    """Return a request as `identify()` takes it; under ASGI META is filled likewise.

    META, because there stands what the site's other middlewares made of the peer's address.
    """
    meta = request.META
    headers = [
        (name.removeprefix("HTTP_").replace("_", "-").lower().encode("latin-1", "replace"), _octets(value))
        for name, value in meta.items()
        if name.startswith("HTTP_") and isinstance(value, str)
    ]
    return WebRequest(_url(request), headers, meta.get("REMOTE_ADDR") or None)


def _octets(value: str) -> bytes:
    return value.encode("latin-1", "replace")  # as WSGI (PEP 3333) and Django's ASGI decode them


def _url(request: HttpRequest) -> str:
    try:
        return str(request.build_absolute_uri())
    except DisallowedHost:  # Django answers 400 to that by itself, where it matters
        return ""


def _track_view(page_url: str | None, request: HttpRequest, response: HttpResponseBase) -> None:
    if page_url is None or not (_options().wants_view_of(request.path) and _is_page(request, response)):
        return
    try:
        # Where it was reached from is in the scope, with all else that the request says.
        get_tracker().track_nowait(PageView.clipped(page_url=page_url))
    except AiotrackerError:  # nobody asked for this event: it must not cost an answer
        LOGGER.exception("a page view was not tracked")


def _is_page(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Tell whether a visitor got to see a page: a prefetching browser shows none yet."""
    purpose = f"{request.META.get('HTTP_SEC_PURPOSE', '')} {request.META.get('HTTP_PURPOSE', '')}"
    content_type = str(response.headers.get("Content-Type", "")).partition(";")[0].strip().lower()
    return is_page(str(request.method), response.status_code, content_type) and "prefetch" not in purpose


def _covered(response: HttpResponseBase, visit: scope) -> HttpResponseBase:
    """Return a response whose streamed content is made inside the scope of its request."""
    # A file tracks nothing, and wrapped it could no longer be sent by the server's own means.
    if response.streaming and not isinstance(response, FileResponse):
        streaming: Any = response
        content = streaming.streaming_content
        steps = _async_steps if streaming.is_async else _steps
        streaming.streaming_content = steps(content, visit)
    return response


def _steps(content: Iterable[bytes], visit: scope) -> Iterator[bytes]:
    """Yield chunks; each is made inside the scope, which is left before it is handed over."""
    chunks = iter(content)
    while True:
        with visit:
            try:
                chunk = next(chunks)
            except StopIteration:
                return
        yield chunk


async def _async_steps(content: AsyncIterator[bytes], visit: scope) -> AsyncIterator[bytes]:
    """Likewise, for content that is awaited."""
    chunks = aiter(content)
    while True:
        with visit:
            try:
                chunk = await anext(chunks)
            except StopAsyncIteration:
                return
        yield chunk
