"""aiohttp over real sockets: whose events are, which come by themselves, and when the tracker lives."""

import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Never

import anyio
import anyio.lowlevel
import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request
from yarl import URL

from aiotracker import ConfigurationError, StructuredEvent, Tracker
from aiotracker.integrations.aiohttp import (
    TRACKER_KEY,
    page_url_of,
    setup,
    tracker_ctx,
    tracker_middleware,
    tracker_of,
    web_request,
)
from aiotracker.integrations.identity import IdentityOptions
from aiotracker.integrations.requests import RequestInfo
from tests import stages
from tests.fakes.bench import Bench
from tests.fakes.visits import by_user, deeds, did

Client = TestClient[web.Request, web.Application]

LOOPS = [
    pytest.param(stages.backend(loop), id=loop, marks=stages.on_unix(loop))
    for loop in stages.LOOPS
    if loop != "trio"
]


@pytest.fixture(scope="module", params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Name the loop under the test: aiohttp knows asyncio only."""
    return request.param


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[Client]:
    """Serve an application on a port of this machine."""
    async with TestClient(TestServer(app)) as client:
        yield client


def application(bench: Bench, **options: Any) -> web.Application:
    """Return an application whose every request tells its user."""
    app = web.Application()
    setup(app, bench.tracker, **{"identity": by_user, **options})
    return app


# -- whose events are ---------------------------------------------------------------------------------


async def test_events_of_a_request_are_about_who_made_it(bench: Bench) -> None:
    """The scope stands around the handler and ends with it, also on one connection."""

    async def buy(request: web.Request) -> web.Response:
        await tracker_of(request).track(did("buy"))
        return web.Response(text="bought")

    app = application(bench)
    app.router.add_post("/buy", buy)

    async with serving(app) as client:
        for headers in ({"X-User": "u-1"}, {}, {"X-User": "u-2"}):
            answer = await client.post("/buy", headers=headers)
            assert "bought" == await answer.text()

    assert [("buy", "u-1"), ("buy", None), ("buy", "u-2")] == deeds(bench)


async def test_an_identity_is_found_by_default(bench: Bench) -> None:
    """Without a setting the address of the peer is known, and the page."""

    async def look(request: web.Request) -> web.Response:
        request.app[TRACKER_KEY].track_nowait(did("look"))
        return web.Response(text=page_url_of(request))

    app = web.Application()
    setup(app, bench.tracker, base_url="https://shop.acme.com/")
    app.router.add_get("/tea/{sku}", look)

    async with serving(app) as client:
        answer = await client.get(
            URL("/tea/t%2F1?colour=green", encoded=True), headers={"Host": "evil.example"}
        )
        page = await answer.text()

    event = bench.transport.events[0]
    assert "https://shop.acme.com/tea/t%2F1?colour=green" == page == event["url"]
    assert "127.0.0.1" == event["ip"]


async def test_requests_at_the_same_time_do_not_share_a_visitor(bench: Bench) -> None:
    """Each handler has its own, however they are interleaved."""
    arrived: list[str] = []
    all_there = anyio.Event()

    async def meet(request: web.Request) -> web.Response:
        arrived.append(request.headers["X-User"])
        if len(arrived) == 3:
            all_there.set()
        await all_there.wait()
        await tracker_of(request).track(did(request.headers["X-User"]))
        return web.Response()

    app = application(bench)
    app.router.add_get("/", meet)

    async with serving(app) as client, anyio.create_task_group() as tasks:

        async def visit(name: str) -> None:
            await client.get("/", headers={"X-User": name})

        for name in ("a", "b", "c"):
            tasks.start_soon(visit, name)

    assert {("a", "a"), ("b", "b"), ("c", "c")} == set(deeds(bench))


async def test_a_stream_is_inside_the_scope(bench: Bench) -> None:
    """What is written by the handler, and what aiohttp asks of an iterable after it."""

    async def written(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(2):
            await tracker_of(request).track(did(f"written {number}"))
            await response.write(b"x")
        return response

    async def iterated(request: web.Request) -> web.Response:
        tracker = tracker_of(request)

        async def parts() -> AsyncIterator[bytes]:
            for number in range(2):
                await tracker.track(did(f"iterated {number}"))
                yield b"y"

        return web.Response(body=parts(), content_type="text/csv")

    app = application(bench)
    app.router.add_get("/written", written)
    app.router.add_get("/iterated", iterated)

    async with serving(app) as client:
        first = await client.get("/written", headers={"X-User": "u-1"})
        second = await client.get("/iterated", headers={"X-User": "u-2"})
        bodies = [await first.read(), await second.read()]

    assert ([b"xx", b"yy"], "text/csv") == (bodies, second.content_type)
    assert [
        ("written 0", "u-1"),
        ("written 1", "u-1"),
        ("iterated 0", "u-2"),
        ("iterated 1", "u-2"),
    ] == deeds(bench)


async def test_a_websocket_is_inside_the_scope_for_as_long_as_it_is_open(bench: Bench) -> None:
    """Every message; the connection makes no event by itself."""

    async def chat(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await tracker_of(request).track(did(message.data))
                await socket.send_str("tracked")
        return socket

    app = application(bench, page_views=True, request_event=lambda info: did(f"request {info.path}"))
    app.router.add_get("/chat", chat)

    async with serving(app) as client, client.ws_connect("/chat", headers={"X-User": "u-1"}) as socket:
        for word in ("one", "two"):
            await socket.send_str(word)
            assert "tracked" == await socket.receive_str()

    assert [("one", "u-1"), ("two", "u-1")] == deeds(bench)


async def test_a_task_of_a_handler_keeps_its_visitor(bench: Bench) -> None:
    """Work that goes on behind the answer is still the visitor's."""
    answered = anyio.Event()

    async def later(tracker: Tracker) -> None:
        await answered.wait()
        await tracker.track(did("later"))

    async with anyio.create_task_group() as tasks:

        async def begin(request: web.Request) -> web.Response:
            tasks.start_soon(later, tracker_of(request))
            return web.Response()

        app = application(bench)
        app.router.add_get("/", begin)
        async with serving(app) as client:
            await client.get("/", headers={"X-User": "u-1"})
            answered.set()
            await settle_down(bench)

    assert [("later", "u-1")] == deeds(bench)


async def settle_down(bench: Bench) -> None:
    """Wait until an event was taken."""
    while not bench.emitter.stats().accepted:
        await anyio.lowlevel.checkpoint()


# -- events that come by themselves -------------------------------------------------------------------


def shop(bench: Bench, infos: list[RequestInfo], **options: Any) -> web.Application:
    """Return an application with all kinds of answers, which notes its requests."""

    def note(info: RequestInfo) -> StructuredEvent:
        infos.append(info)
        return did(f"{info.method} {info.path}")

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<p>tea", content_type="text/html")

    async def moved(request: web.Request) -> web.Response:
        raise web.HTTPFound("/tea/1")

    async def broken(request: web.Request) -> web.Response:
        raise ValueError("the shop's own")

    async def slow(request: web.Request) -> web.Response:
        raise TimeoutError

    async def nothing(request: web.Request) -> Any:  # noqa: ANN401 - a mistake
        return None

    inner = web.Application()
    inner.router.add_get("/users/{id}", page)
    app = application(bench, request_event=note, **options)
    app.router.add_get("/tea/{sku}", page)
    app.router.add_get("/moved", moved)
    app.router.add_get("/broken", broken)
    app.router.add_get("/slow", slow)
    app.router.add_get("/nothing", nothing)
    app.add_subapp("/admin", inner)
    return app


async def test_a_request_is_described(bench: Bench) -> None:
    """Route and status of every kind of answer; exceptions are answers, too."""
    infos: list[RequestInfo] = []
    paths = ["/tea/1?a=b", "/moved", "/broken", "/slow", "/nothing", "/nowhere", "/admin/users/7"]

    async with serving(shop(bench, infos, base_url="https://acme.com")) as client:
        answers = [await client.get(path, allow_redirects=False) for path in paths]
        answers.append(await client.post("/tea/1"))

    assert [
        ("GET", "/tea/1", "/tea/{sku}", 200, "text/html"),
        ("GET", "/moved", "/moved", 302, "text/plain"),
        ("GET", "/broken", "/broken", 500, ""),
        ("GET", "/slow", "/slow", 504, ""),
        ("GET", "/nowhere", None, 404, "text/plain"),
        ("GET", "/admin/users/7", "/admin/users/{id}", 200, "text/html"),
        ("POST", "/tea/1", None, 405, "text/plain"),
    ] == [(info.method, info.path, info.route, info.status, info.content_type) for info in infos]
    assert [answer.status for answer in answers if answer.url.path != "/nothing"] == [
        info.status for info in infos
    ]
    assert "https://acme.com/tea/1?a=b" == infos[0].url
    assert all(0 <= info.duration_s < 10 for info in infos)
    assert len(infos) == len(deeds(bench))


async def test_pages_are_viewed_by_themselves(bench: Bench) -> None:
    """GET, 2xx, HTML; whoever asked is in the event."""
    app = shop(bench, [], page_views=True, base_url="https://acme.com")

    async with serving(app) as client:
        await client.get("/tea/1", headers={"X-User": "u-1"})
        await client.get("/broken")
        await client.get("/nowhere")

    views = [(event["url"], event["uid"]) for event in bench.transport.events if event["e"] == "pv"]
    assert [("https://acme.com/tea/1", "u-1")] == views


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"include": ["/tea"]}, ["/tea/1"]),
        ({"exclude": ["/admin", re.compile("bro")]}, ["/tea/1", "/moved"]),
        ({"include": ["/tea", "/admin"], "exclude": ["/admin/users"]}, ["/tea/1"]),
    ],
    ids=["include", "exclude", "both"],
)
async def test_rules_choose_the_requests(bench: Bench, rules: dict[str, Any], expected: list[str]) -> None:
    """A text is a path and all below it, a pattern is searched; what is excluded wins."""
    infos: list[RequestInfo] = []

    async with serving(shop(bench, infos, **rules)) as client:
        for path in ("/tea/1", "/moved", "/broken", "/admin/users/7"):
            await client.get(path, allow_redirects=False)

    assert expected == [info.path for info in infos]


# -- what goes wrong ----------------------------------------------------------------------------------


def fail(_: object) -> Never:
    """Fail as a function of a user's own may."""
    raise ValueError("on purpose")


@pytest.mark.parametrize("option", ["identity", "request_event"])
async def test_a_failure_breaks_no_request(
    bench: Bench, caplog: pytest.LogCaptureFixture, option: str
) -> None:
    """It is logged once, and the visitors get their pages."""
    app = application(bench, **{"request_event": lambda _: did("request"), option: fail})

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="tea")

    app.router.add_get("/", page)
    with caplog.at_level(logging.ERROR, logger="aiotracker"):
        async with serving(app) as client:
            texts = [await (await client.get("/")).text() for _ in range(3)]

    assert 3 * ["tea"] == texts
    assert [True] == ["on purpose" in record.getMessage() for record in caplog.records]


async def test_a_tracker_that_takes_nothing_breaks_no_request(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Here one that nobody has opened, and that raises for every event."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="tea")

    tracking = tracker_middleware(bench.tracker, request_event=lambda info: did(info.path))
    app = web.Application(middlewares=[tracking])
    app.router.add_get("/", page)
    with caplog.at_level(logging.ERROR, logger="aiotracker"):
        async with serving(app) as client:
            texts = [await (await client.get("/")).text() for _ in range(3)]

    assert 3 * ["tea"] == texts
    assert [True] == ["is not open" in record.getMessage() for record in caplog.records]


def test_wrong_options_are_told_at_once() -> None:
    """And change nothing of the application."""
    app = web.Application()

    with pytest.raises(ConfigurationError, match="base_url"):
        setup(app, Tracker("web", "https://collector.acme.com"), base_url="shop.acme.com")

    assert ([], []) == (list(app.middlewares), list(app.cleanup_ctx))


# -- the life of the tracker --------------------------------------------------------------------------


async def test_the_tracker_lives_longer_than_everything_else(bench: Bench) -> None:
    """Contexts, functions of `on_cleanup` and applications inside may track to their last line."""
    tracker = bench.tracker

    def context(name: str) -> Callable[[web.Application], AsyncIterator[None]]:
        async def run(app: web.Application) -> AsyncIterator[None]:
            await tracker.track(did(f"{name} starts"))
            yield
            await tracker.track(did(f"{name} stops"))

        return run

    async def cleanup(app: web.Application) -> None:
        await tracker.track(did("cleanup"))

    inner, app = web.Application(), web.Application()
    inner.cleanup_ctx.append(context("inner"))
    app.cleanup_ctx.append(context("outer"))
    setup(app, tracker)
    app.on_cleanup.append(cleanup)
    app.add_subapp("/inner", inner)

    async with serving(app):
        pass

    expected = ["outer starts", "inner starts", "outer stops", "cleanup", "inner stops"]
    assert expected == [action for action, _ in deeds(bench)]
    assert tracker.last_report.is_complete


@pytest.mark.parametrize("has_more", [False, True])
async def test_an_application_that_fails_to_start_closes_the_tracker(bench: Bench, *, has_more: bool) -> None:
    """What happened until then is delivered."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        await bench.tracker.track(did("start"))
        if app:
            raise ValueError("on purpose")
        yield

    async def more(app: web.Application) -> None:
        await bench.tracker.track(did("more"))

    app = application(bench)
    app.cleanup_ctx.append(context)
    if has_more:
        app.on_cleanup.append(more)
    runner = web.AppRunner(app)

    with pytest.raises(ValueError, match="on purpose"):
        await runner.setup()
    await runner.cleanup()

    assert [("start", None)] == deeds(bench)
    assert 1 == bench.transport.closed


async def test_the_tracker_of_an_application_is_found_inside_of_others(bench: Bench) -> None:
    """The parts can be used by themselves."""

    async def look(request: web.Request) -> web.Response:
        return web.Response(text=tracker_of(request).namespace)

    inner = web.Application()
    inner.router.add_get("/", look)
    app = web.Application(middlewares=[tracker_middleware(bench.tracker)])
    app.cleanup_ctx.append(tracker_ctx(bench.tracker))
    app.add_subapp("/inner", inner)

    async with serving(app) as client:
        answer = await client.get("/inner/")
        assert "bench" == await answer.text()


async def test_a_client_that_goes_away_leaves_nothing_behind(bench: Bench) -> None:
    """A stream that nobody reads any more ends, and so does its scope."""
    gone = anyio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65_536)
        finally:
            tracker_of(request).track_nowait(did("gone"))
            gone.set()

    app = application(bench)
    app.router.add_get("/", stream)

    async with serving(app) as client:
        answer = await client.get("/", headers={"X-User": "u-1"})
        await answer.content.read(1)
        answer.close()
        await gone.wait()

    assert [("gone", "u-1")] == deeds(bench)


# -- what a request tells -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "base_url", "expected"),
    [
        ("shop.acme.com", None, "http://shop.acme.com/a%2Fb?c=d"),
        ("shop.acme.com:8080", None, "http://shop.acme.com:8080/a%2Fb?c=d"),
        ("[::1", None, "http://127.0.0.1/a%2Fb?c=d"),
        ("a|b", None, "http://127.0.0.1/a%2Fb?c=d"),
        ("evil.example", "https://acme.com/shop/", "https://acme.com/shop/a%2Fb?c=d"),
        (None, None, "http://127.0.0.1/a%2Fb?c=d"),
    ],
)
def test_the_address_of_a_request(host: str | None, base_url: str | None, expected: str) -> None:
    """As the visitor knows it; what is no host is not believed, and nothing is looked up."""
    headers = {} if host is None else {"Host": host}
    request = make_mocked_request("GET", "/a%2Fb?c=d", headers=headers)

    assert expected == web_request(request, base_url).url


@pytest.mark.parametrize(
    ("trusted", "base_url", "expected"),
    [
        (["127.0.0.1"], None, "https://shop.acme.com/"),
        (["10.0.0.0/8"], None, "http://inner.example/"),
        ([], None, "http://inner.example/"),
        (["127.0.0.1"], "https://acme.com", "https://acme.com/"),
    ],
)
async def test_a_trusted_proxy_says_what_the_browser_shows(
    bench: Bench, trusted: list[str], base_url: str | None, expected: str
) -> None:
    """Scheme and host of the page, unless they are given."""

    async def look(request: web.Request) -> web.Response:
        return web.Response(text=page_url_of(request))

    app = application(bench, identity=IdentityOptions(trusted_proxies=trusted), base_url=base_url)
    app.router.add_get("/", look)
    headers = {
        "Host": "inner.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example, shop.acme.com",
    }

    async with serving(app) as client:
        answer = await client.get("/", headers=headers)
        page = await answer.text()

    assert expected == page


def test_headers_and_peer_of_a_request() -> None:
    """Names in lower case, values as they came, repeated ones too; a Unix socket has no address."""
    request = make_mocked_request("GET", "/", headers=[("Cookie", "a=1"), ("Cookie", "b=2")])

    found = web_request(request.clone(remote=""))

    assert [(b"cookie", b"a=1"), (b"cookie", b"b=2")] == list(found.headers)
    assert found.client is None
