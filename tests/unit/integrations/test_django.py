"""Django: who made a request is said of its events, wherever views run; settings say what else is tracked."""

import asyncio
import logging
import re
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import FileResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings

from aiotracker import Emitter, HostedTracker, Tracker, current_scope, hosted
from aiotracker.integrations import django as django_integration
from aiotracker.integrations.django import TrackerMiddleware, get_tracker, with_lifespan
from tests.fakes import django_site
from tests.fakes.clock import FakeClock
from tests.fakes.transport import FakeTransport

SITE = "http://testserver"  # what Django's test clients ask for
EVERYBODY = [f"?visitor={number}" for number in range(1, 9)]
ALONE = [django_site.MIDDLEWARE]
BESIDE_A_BYSTANDER = [django_site.MIDDLEWARE, "tests.fakes.django_site.bystander"]
INSIDE_A_BYSTANDER = BESIDE_A_BYSTANDER[::-1]

Event = Mapping[str, str]


class Site:
    """A site with a tracker of its own."""

    def __init__(self) -> None:
        self.transport = FakeTransport(FakeClock())
        self.events = hosted(Tracker("django", Emitter("https://c.acme.com", transport=self.transport)))

    @contextmanager
    def serving(self, middleware: Sequence[str] = ALONE, /, **setting: object) -> Iterator[None]:
        """Have the settings of a block name the tracker; close it at the end."""
        chain = list(middleware)
        with override_settings(MIDDLEWARE=chain, AIOTRACKER={"TRACKER": self.events, **setting}):
            yield
        self.events.close()

    @property
    def arrived(self) -> list[Event]:
        """All events, oldest first."""
        return [event for sent in self.transport.sent for event in sent.events]


@pytest.fixture
def site() -> Site:
    """Return a site."""
    return Site()


def get(path: str, **headers: str) -> Any:  # noqa: ANN401 - Django has no types
    """Return the answer of a visitor's request under WSGI."""
    return Client().get(path, headers=headers, REMOTE_ADDR="203.0.113.1")


async def aget(path: str, client: AsyncClient) -> bytes:
    """Return what a visitor's request under ASGI is answered."""
    response = await client.get(path)
    if not response.streaming:
        return bytes(response.content)
    if response.is_async:
        return b"".join([part async for part in response.streaming_content])
    return b"".join(await asyncio.to_thread(list, response.streaming_content))


# -- who made a request -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/shown", "/awaited"])
def test_a_view_under_wsgi_tracks_for_its_visitor(site: Site, path: str) -> None:
    """Address and page are on the event; outside of the request there is no scope."""
    with site.serving():
        event_id = get(f"{path}?q=tea").content.decode()

    (event,) = site.arrived
    assert (event_id, "203.0.113.1") == (event["eid"], event["ip"])
    assert f"{SITE}{path}?q=tea" == event["url"]
    assert current_scope() is None


@pytest.mark.parametrize("middleware", [ALONE, BESIDE_A_BYSTANDER, INSIDE_A_BYSTANDER])
@pytest.mark.parametrize("path", ["/shown", "/awaited"])
def test_visitors_at_the_same_time_are_not_mixed_up(site: Site, path: str, middleware: Sequence[str]) -> None:
    """Under ASGI each event has its own visitor, in tasks and in threads, beside a synchronous middleware."""

    async def visit() -> list[bytes]:
        client = AsyncClient()
        return list(await asyncio.gather(*(aget(path + visitor, client) for visitor in EVERYBODY)))

    with site.serving(middleware):
        ids = [answer.decode() for answer in asyncio.run(visit())]

    pages = [f"{SITE}{path}{visitor}" for visitor in EVERYBODY]
    assert dict(zip(ids, pages, strict=True)) == {event["eid"]: event["url"] for event in site.arrived}


@pytest.mark.parametrize("path", ["/shown", "/awaited"])
def test_visitors_in_threads_are_not_mixed_up(site: Site, path: str) -> None:
    """Under WSGI each thread tracks for its own visitor."""
    ids: dict[str, str] = {}

    def visit(visitor: str) -> None:
        ids[get(path + visitor).content.decode()] = f"{SITE}{path}{visitor}"

    with site.serving():
        threads = [threading.Thread(target=visit, args=(visitor,)) for visitor in EVERYBODY]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert ids == {event["eid"]: event["url"] for event in site.arrived}


def test_a_streamed_body_is_of_its_request(site: Site) -> None:
    """What a generator tracks while it is read is the visitor's; between its parts the scope is left."""
    with site.serving():
        response = get("/streamed")
        between = [current_scope() for _ in response.streaming_content]

    assert [("first", "203.0.113.1"), ("second", "203.0.113.1")] == [
        (event["se_ac"], event["ip"]) for event in site.arrived
    ]
    assert [None, None] == between


@pytest.mark.parametrize("path", ["/streamed", "/astreamed"])
def test_a_streamed_body_under_asgi_is_of_its_request(site: Site, path: str) -> None:
    """Likewise for what is awaited, and for what Django reads in a thread."""
    with site.serving():
        asyncio.run(aget(path, AsyncClient()))

    assert 2 * [SITE + path] == [event["url"] for event in site.arrived]


def test_a_file_stays_a_file(site: Site) -> None:
    """A response that the server may send by its own means is left as it is."""
    with site.serving():
        response = TrackerMiddleware(django_site.download)(RequestFactory().get("/download"))

    assert isinstance(response, FileResponse)
    assert response.file_to_stream is not None
    response.close()


def test_options_of_the_identity_are_settings(site: Site) -> None:
    """They stand there in capitals."""
    with site.serving(NETWORK_COOKIE="nuid"):
        options = django_integration._options()

    assert "nuid" == options.identity.network_cookie


def test_a_host_that_is_not_allowed_costs_no_answer_of_ours(site: Site) -> None:
    """What a client calls the site is its own affair: the event has no page, and all else."""
    with site.serving(PAGE_VIEWS=True):
        response = get("/shown", host="evil.example")

    (event,) = site.arrived
    assert 200 == response.status_code
    assert ("203.0.113.1", None) == (event["ip"], event.get("url"))


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, f"{SITE}/shown"),
        ({"USE_X_FORWARDED_HOST": True}, "http://shop.acme.com/shown"),
        ({"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}, "https://testserver/shown"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_the_settings_of_the_site_say_which_page_it_is(
    site: Site, own: dict[str, object], expected: str, *, is_async: bool
) -> None:
    """Trusted proxies of ours say the visitor's address alone: Django has settings for scheme and host."""
    headers = {
        "x-forwarded-for": "203.0.113.9",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "shop.acme.com",
    }

    allowed = ["shop.acme.com", "testserver"]
    with site.serving(TRUSTED_PROXIES="*"), override_settings(ALLOWED_HOSTS=allowed, **own):
        if is_async:
            asyncio.run(AsyncClient().get("/shown", headers=headers))
        else:
            get("/shown", host="testserver", **headers)

    (event,) = site.arrived
    assert ("203.0.113.9", expected) == (event["ip"], event["url"])


# -- page views ---------------------------------------------------------------------------------------


def test_page_views_are_tracked_when_wanted(site: Site) -> None:
    """A page that was shown is one page view, under WSGI and under ASGI."""
    with site.serving(PAGE_VIEWS=True):
        get("/answered/200")
        asyncio.run(aget("/answered/201", AsyncClient()))

    pages = [f"{SITE}/answered/200", f"{SITE}/answered/201"]
    assert [("pv", page) for page in pages] == [(event["e"], event["url"]) for event in site.arrived]


@pytest.mark.parametrize("path", ["/answered/404", "/answered/500", "/plain", "/nowhere"])
def test_what_is_no_page_is_no_page_view(site: Site, path: str) -> None:
    """Errors and other media are not pages that somebody saw."""
    with site.serving(PAGE_VIEWS=True):
        get(path)

    assert [] == site.arrived


def test_a_prefetch_and_a_post_are_no_page_views(site: Site) -> None:
    """Nobody has seen them yet."""
    with site.serving(PAGE_VIEWS=True):
        get("/answered/200", **{"sec-purpose": "prefetch;prerender"})
        Client().post("/answered/200")

    assert [] == site.arrived


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, ["/answered/200", "/answered/201"]),
        ({"INCLUDE": ["/answered/201"]}, ["/answered/201"]),
        ({"INCLUDE": ["/answered"], "EXCLUDE": ["/answered/200"]}, ["/answered/201"]),
        ({"EXCLUDE": [re.compile("1$")]}, ["/answered/200"]),
        ({"EXCLUDE": ["/answered"]}, []),
        ({"EXCLUDE": ["/answer"]}, ["/answered/200", "/answered/201"]),
    ],
)
def test_paths_are_included_and_excluded(
    site: Site, rules: Mapping[str, object], expected: Sequence[str]
) -> None:
    """A text is a path with all below it, a pattern is searched; what is excluded stays out."""
    with site.serving(PAGE_VIEWS=True, **rules):
        get("/answered/200")
        get("/answered/201")

    assert [SITE + path for path in expected] == [event["url"] for event in site.arrived]


def test_a_tracker_that_cannot_be_opened_costs_no_page(caplog: pytest.LogCaptureFixture) -> None:
    """The page is shown, and the log says what is wrong."""
    emitter = Emitter("https://c.acme.com", transport=FakeTransport(FakeClock()))
    twin = hosted(Tracker("django", emitter)).open()

    with (
        override_settings(AIOTRACKER={"TRACKER": hosted(twin.tracker), "PAGE_VIEWS": True}),
        caplog.at_level(logging.ERROR, "aiotracker"),
    ):
        asyncio.run(aget("/answered/200", AsyncClient()))
    twin.close()

    assert "the tracker of the site cannot be opened" in caplog.text


# -- settings -----------------------------------------------------------------------------------------


def test_the_tracker_of_the_settings_is_one() -> None:
    """Every caller gets the same; the tests of a site get another with other settings."""
    with override_settings(AIOTRACKER={"COLLECTOR": "https://c.acme.com", "NAMESPACE": "site"}):
        first, second = get_tracker(), get_tracker()
    with override_settings(AIOTRACKER={"COLLECTOR": "https://c.acme.com"}):
        third = get_tracker()

    assert first is second
    assert ("site", "django") == (first.tracker.namespace, third.tracker.namespace)


EVENTS = hosted(Tracker("dotted", "https://c.acme.com"))
TRACKER = Tracker("plain", "https://c.acme.com")


@pytest.mark.parametrize("given", [EVENTS, TRACKER])
def test_a_tracker_may_be_given(given: HostedTracker | Tracker) -> None:
    """A hosted one is used, any other is hosted."""
    with override_settings(AIOTRACKER={"TRACKER": given}):
        tracker = get_tracker()

    assert given in (tracker, tracker.tracker)


def test_a_tracker_may_be_named() -> None:
    """By its dotted path."""
    with override_settings(AIOTRACKER={"TRACKER": "tests.fakes.django_events.events"}):
        tracker = get_tracker()

    assert "named" == tracker.tracker.namespace


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (None, "must be a dictionary"),
        ({}, "either COLLECTOR"),
        ({"COLLECTOR": "https://c.acme.com", "TRACKER": TRACKER}, "either COLLECTOR"),
        ({"COLLECTOR": "ftp://c.acme.com"}, "ftp"),
        ({"COLLECTOR": "https://c.acme.com", "APPID": "shop"}, "knows no 'APPID'"),
        ({"TRACKER": TRACKER, "APP_ID": "shop"}, "APP_ID belongs to the TRACKER"),
        ({"TRACKER": "nowhere.events"}, "cannot be imported"),
        ({"TRACKER": 7}, "no Tracker"),
    ],
)
def test_a_tracker_that_cannot_be_is_refused(setting: object, message: str) -> None:
    """When the site starts, with what to do."""
    with override_settings(AIOTRACKER=setting), pytest.raises(ImproperlyConfigured, match=message):
        get_tracker()


@pytest.mark.parametrize("rules", ["/admin", 7, [7]])
def test_rules_that_cannot_be_are_refused(rules: object) -> None:
    """A single text would be taken for its letters."""
    setting = {"TRACKER": TRACKER, "EXCLUDE": rules}

    with override_settings(AIOTRACKER=setting), pytest.raises(ImproperlyConfigured, match="EXCLUDE"):
        TrackerMiddleware(django_site.plain)


# -- the life of an ASGI server -----------------------------------------------------------------------

Message = MutableMapping[str, Any]


async def live(application: Callable[..., Awaitable[None]], during: Callable[[], object]) -> list[str]:
    """Start and stop an application as a server does; return what it said."""
    said: list[str] = []

    async def receive() -> Message:
        if not said:
            return {"type": "lifespan.startup"}
        during()
        return {"type": "lifespan.shutdown"}

    async def send(message: Message) -> None:
        said.append(message["type"])

    await application({"type": "lifespan"}, receive, send)
    return said


async def nothing(scope: Message, receive: object, send: object) -> None:
    """Be an application that is never asked."""
    raise AssertionError("asked for a lifespan, or for nothing")


def test_a_lifespan_opens_and_closes(site: Site) -> None:
    """From start to stop the tracker is open; what is left then is delivered."""
    states: list[bool] = []

    def track() -> None:
        states.append(site.events.is_open)
        django_site.track("late")

    with override_settings(AIOTRACKER={"TRACKER": site.events}):
        said = asyncio.run(live(with_lifespan(nothing), track))

    assert ["lifespan.startup.complete", "lifespan.shutdown.complete"] == said
    assert ([True], False) == (states, site.events.is_open)
    assert ["late"] == [event["se_ac"] for event in site.arrived]


def test_a_server_is_told_when_the_tracker_cannot_be() -> None:
    """Instead of serving without one."""
    with override_settings(AIOTRACKER={}):
        said = asyncio.run(live(with_lifespan(nothing), lambda: None))

    assert ["lifespan.startup.failed"] == said


def test_requests_pass_through() -> None:
    """What is no lifespan is the application's."""
    asked: list[str] = []

    async def application(scope: Message, receive: object, send: object) -> None:
        asked.append(scope["type"])

    async def call() -> None:
        await with_lifespan(application)({"type": "http"}, never, never)

    async def never(*_: object) -> Any:  # noqa: ANN401 - for both directions
        raise AssertionError("nobody asked")

    asyncio.run(call())

    assert ["http"] == asked
