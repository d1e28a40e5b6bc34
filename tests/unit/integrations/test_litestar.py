"""Litestar by its ASGI interface: whose events are, the tracker of a handler, and when it lives."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from litestar import Litestar, get
from litestar.background_tasks import BackgroundTask
from litestar.params import FromPath
from litestar.response import Response, Stream

from aiotracker import ConfigurationError, StructuredEvent, Tracker
from aiotracker.integrations.asgi import RequestInfo
from aiotracker.integrations.identity import IdentityOptions
from aiotracker.integrations.litestar import TrackerDep, TrackerPlugin
from tests.fakes.bench import Bench
from tests.fakes.visits import by_user, deeds, did


@asynccontextmanager
async def serving(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an application in the process, with its lifespan."""
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # Litestar's types of ASGI are its own
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="https://acme.com") as client,
    ):
        yield client


def application(
    bench: Bench, *handlers: Any, plugin: Mapping[str, Any] | None = None, **options: Any
) -> Litestar:
    """Return an application whose every request tells its user."""
    tracking = TrackerPlugin(bench.tracker, **{"identity": by_user, **(plugin or {})})
    return Litestar([*handlers], plugins=[tracking], openapi_config=None, logging_config=None, **options)


async def test_events_of_a_request_are_about_who_made_it(bench: Bench) -> None:
    """The handler gets the tracker as an argument, inside of a scope."""

    @get("/buy")
    async def buy(tracker: TrackerDep) -> str:
        await tracker.track(did("buy"))
        return "bought"

    async with serving(application(bench, buy)) as client:
        answers = [
            (await client.get("/buy", headers=headers)).text
            for headers in ({"X-User": "u-1"}, {}, {"X-User": "u-2"})
        ]

    assert 3 * ["bought"] == answers
    assert [("buy", "u-1"), ("buy", None), ("buy", "u-2")] == deeds(bench)


async def test_a_trusted_proxy_says_what_the_browser_shows(bench: Bench) -> None:
    """The options are those of the middleware."""

    @get("/look")
    async def look(tracker: TrackerDep) -> None:
        await tracker.track(did("look"))

    plugin = {"identity": IdentityOptions(trusted_proxies=["127.0.0.1"])}
    async with serving(application(bench, look, plugin=plugin)) as client:
        await client.get("/look", headers={"X-Forwarded-Proto": "http", "X-Forwarded-Host": "shop.acme.com"})

    assert ["http://shop.acme.com/look"] == [event["url"] for event in bench.transport.events]


async def test_streams_and_background_tasks_are_inside_the_scope(bench: Bench) -> None:
    """What is tracked behind the handler is its visitor's, too."""

    @get("/stream")
    async def stream(tracker: TrackerDep) -> Stream:
        async def parts() -> AsyncIterator[str]:
            yield "a"
            await tracker.track(did("stream"))
            yield "b"

        return Stream(parts())

    @get("/after")
    async def after(tracker: TrackerDep) -> Response[str]:
        return Response("out", background=BackgroundTask(tracker.track, did("after")))

    async with serving(application(bench, stream, after)) as client:
        bodies = [
            (await client.get(path, headers={"X-User": name})).text
            for path, name in [("/stream", "u-1"), ("/after", "u-2")]
        ]

    assert ["ab", "out"] == bodies
    assert [("stream", "u-1"), ("after", "u-2")] == deeds(bench)


async def test_a_request_is_described(bench: Bench) -> None:
    """With the template of its route, and the status that an exception became."""
    infos: list[RequestInfo] = []

    @get("/tea/{sku:int}")
    async def tea(sku: FromPath[int]) -> str:
        if sku > 9:
            raise ValueError("no such tea")
        return "tea"

    def note(info: RequestInfo) -> StructuredEvent:
        infos.append(info)
        return did(info.path)

    app = application(bench, tea, plugin={"request_event": note, "exclude": ["/tea/2"]})
    async with serving(app) as client:
        for path in ("/tea/1", "/tea/2", "/tea/10", "/nowhere"):
            await client.get(path)

    assert [("/tea/1", 200), ("/tea/10", 500)] == [(info.path, info.status) for info in infos]
    assert {"/tea/{sku}"} == {info.route for info in infos}
    assert ["/tea/1", "/tea/10"] == [action for action, _ in deeds(bench)]


async def test_the_tracker_lives_longer_than_everything_else(bench: Bench) -> None:
    """Lifespans and hooks may track from their first line to their last."""
    tracker = bench.tracker

    @asynccontextmanager
    async def life(app: Litestar) -> AsyncIterator[None]:
        await tracker.track(did("lifespan starts"))
        yield
        await tracker.track(did("lifespan stops"))

    async def started() -> None:
        await tracker.track(did("on_startup"))

    async def stopped() -> None:
        await tracker.track(did("on_shutdown"))

    async with serving(application(bench, lifespan=[life], on_startup=[started], on_shutdown=[stopped])):
        pass

    expected = ["lifespan starts", "on_startup", "lifespan stops", "on_shutdown"]
    assert expected == [action for action, _ in deeds(bench)]
    assert tracker.last_report.is_complete


async def test_an_application_that_fails_to_start_closes_the_tracker(bench: Bench) -> None:
    """What happened until then is delivered."""

    async def started() -> None:
        await bench.tracker.track(did("start"))
        raise ValueError("on purpose")

    with pytest.raises((ValueError, ExceptionGroup)):  # Litestar starts in a task group, which trio shows
        async with serving(application(bench, on_startup=[started])):
            pass

    assert [("start", None)] == deeds(bench)
    assert 1 == bench.transport.closed


async def test_an_argument_of_another_name(bench: Bench) -> None:
    """For applications that call something else a tracker."""

    @get("/")
    async def look(events: TrackerDep) -> str:
        return events.namespace

    async with serving(application(bench, look, plugin={"argument": "events"})) as client:
        assert "bench" == (await client.get("/")).text


async def test_handlers_without_a_tracker_need_none(bench: Bench) -> None:
    """A synchronous one may be in a thread."""

    @get("/", sync_to_thread=True)
    def look() -> str:
        bench.tracker.track_nowait(did("look"))
        return "tea"

    async with serving(application(bench, look)) as client:
        await client.get("/", headers={"X-User": "u-1"})

    assert [("look", "u-1")] == deeds(bench)


def test_wrong_options_are_told_at_once() -> None:
    """Where the plugin is built."""
    with pytest.raises(ConfigurationError, match="base_url"):
        TrackerPlugin(Tracker("web", "https://collector.acme.com"), base_url="shop.acme.com")
