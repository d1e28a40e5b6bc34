"""The middleware, with applications of a few lines that speak ASGI themselves."""

import functools
import logging
import re
from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from aiotracker import (
    ConfigurationError,
    Event,
    SelfDescribingJson,
    StructuredEvent,
    Subject,
    Tracker,
    TrackerStateError,
    current_scope,
    scope,
)
from aiotracker.integrations.asgi import (
    RequestInfo,
    TrackerMiddleware,
    page_url_in,
    tracker_in,
    tracker_lifespan,
    viewed_page,
    web_request,
)
from aiotracker.integrations.identity import Identity, IdentityOptions, WebRequest
from tests.fakes.asgi import ASGIApp, Message, Receive, Scope, Send, ask, http_scope, running, talk
from tests.fakes.bench import Bench, TrackWith
from tests.fakes.visits import user, with_token

HTML = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/html; charset=utf-8")],
}
LAST = {"type": "http.response.body", "body": b"ok", "more_body": False}


async def html(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a page."""
    await send(HTML)
    await send(LAST)


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    """Fail."""
    raise LookupError("no such product")


def answering(status: int, content_type: str = "text/html") -> ASGIApp:
    """Return an application that always answers the same."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"Content-Type", content_type.encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send(LAST)

    return app


def token(request: WebRequest) -> Identity:
    """Identify a visitor by a header of the test's own."""
    name = dict(request.headers).get(b"x-token", b"nobody").decode()
    entity = SelfDescribingJson("iglu:com.acme/visit/jsonschema/1-0-0", {"token": name})
    return Identity(Subject(user_id=name), (entity,))


def labelled(request: RequestInfo) -> Event:
    """Return an event that says most of what is known of a request."""
    return StructuredEvent(
        category="request",
        action=f"{request.method} {request.route or request.path}",
        label=request.content_type or None,
        property_=str(request.status),
        value=request.duration_s,
    )


async def events(bench: Bench) -> list[Mapping[str, str]]:
    """Return what has arrived, after sending what waits."""
    await bench.flush()
    return bench.transport.events


# -- who ----------------------------------------------------------------------------------------------


async def test_a_request_is_tracked_with_its_visitor(track_with: TrackWith) -> None:
    """Subject and entities of the identity stand in what the application tracks."""
    bench = await track_with()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await bench.track("a")
        await html(scope, receive, send)

    told = await ask(TrackerMiddleware(app, bench.tracker, identity=token), **with_token("ann"))

    (event,) = await events(bench)
    assert (200, b"ok") == (told.status, told.body)
    assert "ann" == event["uid"]
    assert '"token":"ann"' in event["co"].replace(" ", "")
    assert None is current_scope()


async def test_the_options_decide_who_it_is(track_with: TrackWith) -> None:
    """By default the address of the peer and the page are read from the request."""
    bench = await track_with()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await bench.tracker.track(StructuredEvent(category="cart", action="add"))
        await html(scope, receive, send)

    middleware = TrackerMiddleware(app, bench.tracker, identity=IdentityOptions())
    await ask(middleware, "/cart?sku=1", client=("192.0.2.7", 80))

    (event,) = await events(bench)
    assert ("192.0.2.7", "http://shop.acme.com/cart?sku=1") == (event["ip"], event["url"])


async def test_concurrent_requests_are_never_mixed(track_with: TrackWith) -> None:
    """Each keeps its visitor, whatever runs in between."""
    bench = await track_with()
    visitors = [f"visitor-{number}" for number in range(20)]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].removeprefix("/")
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
            await bench.track(name)
        await html(scope, receive, send)

    middleware = TrackerMiddleware(app, bench.tracker, identity=token)
    async with anyio.create_task_group() as tasks:
        for name in visitors:
            tasks.start_soon(functools.partial(ask, middleware, f"/{name}", **with_token(name)))

    arrived = await events(bench)
    assert 60 == len(arrived)
    assert [] == [event for event in arrived if event["url"].rpartition("/")[2] != event["uid"]]


async def test_an_inner_scope_wins(track_with: TrackWith) -> None:
    """What a handler knows better than the request replaces it, until its block ends."""
    bench = await track_with()
    seen = []

    async def app(connection: Scope, receive: Receive, send: Send) -> None:
        with scope(subject=Subject(user_id="u-1")):
            seen.append(user())
        seen.append(user())
        await html(connection, receive, send)

    await ask(TrackerMiddleware(app, bench.tracker, identity=token), **with_token("ann"))

    assert ["u-1", "ann"] == seen


async def test_a_middleware_inside_another_wins(track_with: TrackWith) -> None:
    """A mounted application may have an identity of its own."""
    bench = await track_with()
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(user())
        await html(scope, receive, send)

    inner = TrackerMiddleware(app, bench.tracker, identity=lambda _: Identity(Subject(user_id="inner")))
    await ask(TrackerMiddleware(inner, bench.tracker, identity=token), **with_token("outer"))

    assert ["inner"] == seen


async def test_a_stream_and_what_runs_after_it_have_the_scope(track_with: TrackWith) -> None:
    """The scope ends with the call of the application, not with the first byte of its answer."""
    bench = await track_with()
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(HTML)
        for _ in range(3):
            await send({"type": "http.response.body", "body": b"row", "more_body": True})
            seen.append(user())
        await send(LAST)
        seen.append(user())

    told = await ask(TrackerMiddleware(app, bench.tracker, identity=token), **with_token("ann"))

    assert (b"rowrowrowok", 4 * ["ann"]) == (told.body, seen)


async def test_a_task_that_a_request_starts_keeps_its_visitor(track_with: TrackWith) -> None:
    """Even where it outlives the request."""
    bench = await track_with()
    seen, is_over = [], anyio.Event()

    async def late() -> None:
        await is_over.wait()
        seen.append(user())

    async with anyio.create_task_group() as tasks:

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            tasks.start_soon(late)
            await html(scope, receive, send)

        await ask(TrackerMiddleware(app, bench.tracker, identity=token), **with_token("ann"))
        is_over.set()

    assert ["ann"] == seen


async def test_a_websocket_has_the_scope(track_with: TrackWith) -> None:
    """From its first message to its last; there is no event unless somebody tracks one."""
    bench = await track_with()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await bench.tracker.track(StructuredEvent(category="chat", action=message["text"]))
            await send({"type": "websocket.send", "text": str(user())})

    middleware = TrackerMiddleware(
        app, bench.tracker, identity=token, page_views=True, request_event=labelled
    )
    said = await talk(middleware, "/chat", "one", "two", **with_token("ann"))

    assert ["ann", "ann"] == said
    assert ["one", "two"] == [event["se_ac"] for event in await events(bench)]


async def test_the_lifespan_passes_through(track_with: TrackWith) -> None:
    """Untouched, and without a scope."""
    bench = track_with.build()
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope, receive, send))

    given: Any = ({"type": "lifespan"}, object(), object())
    await TrackerMiddleware(app, bench.tracker)(*given)

    assert [({"type": "lifespan"}, given[1], given[2])] == seen


async def test_an_identity_that_fails_costs_no_request(
    track_with: TrackWith, caplog: pytest.LogCaptureFixture
) -> None:
    """The request goes on without a visitor, and the log says it once."""
    bench = await track_with()

    def identify(request: WebRequest) -> Identity:
        raise LookupError("no such session")

    middleware = TrackerMiddleware(html, bench.tracker, identity=identify, page_views=True)
    for _ in range(3):
        told = await ask(middleware)
        assert 200 == told.status

    assert ["http://shop.acme.com/"] * 3 == [event["url"] for event in await events(bench)]
    assert ["whose request it is was not found out: no such session"] == [
        record.getMessage() for record in caplog.records if record.levelno == logging.ERROR
    ]


async def test_a_request_knows_its_tracker(track_with: TrackWith) -> None:
    """For what finds it in the ASGI scope; without a middleware the error says what to do."""
    bench = await track_with()
    found: list[Tracker] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found.append(tracker_in(scope))

    await ask(TrackerMiddleware(app, bench.tracker))
    with pytest.raises(TrackerStateError, match="TrackerMiddleware"):
        await ask(app)
    with pytest.raises(TrackerStateError, match="TrackerMiddleware"):
        page_url_in(http_scope())

    assert [bench.tracker] == found


# -- automatic events ---------------------------------------------------------------------------------


async def test_nothing_is_tracked_unless_asked_for(track_with: TrackWith) -> None:
    """The middleware alone adds no events."""
    bench = await track_with()

    await ask(TrackerMiddleware(html, bench.tracker))

    assert [] == await events(bench)


@pytest.mark.parametrize(
    ("method", "status", "content_type", "expected"),
    [
        ("GET", 200, "text/html; charset=utf-8", 1),
        ("GET", 203, "Text/HTML", 1),
        ("GET", 200, "application/xhtml+xml", 1),
        ("GET", 200, "application/json", 0),
        ("GET", 200, "", 0),
        ("GET", 302, "text/html", 0),
        ("GET", 404, "text/html", 0),
        ("GET", 500, "text/html", 0),
        ("POST", 200, "text/html", 0),
        ("HEAD", 200, "text/html", 0),
    ],
)
async def test_a_page_view_is_a_page_that_was_shown(
    track_with: TrackWith, method: str, status: int, content_type: str, expected: int
) -> None:
    """GET, a status that means success, HTML: anything else is no page."""
    bench = await track_with()
    middleware = TrackerMiddleware(answering(status, content_type), bench.tracker, page_views=True)

    await ask(middleware, "/a", method=method)

    pages = [(event["e"], event["url"]) for event in await events(bench)]
    assert expected * [("pv", "http://shop.acme.com/a")] == pages


async def test_an_automatic_event_has_the_visitor(track_with: TrackWith) -> None:
    """It is made inside the scope, and the scopes that are open when the answer ends."""
    bench = await track_with()

    async def app(connection: Scope, receive: Receive, send: Send) -> None:
        with scope(subject=Subject(lang="de")):
            await html(connection, receive, send)

    await ask(TrackerMiddleware(app, bench.tracker, identity=token, page_views=True), **with_token("ann"))

    (event,) = await events(bench)
    assert ("ann", "de") == (event["uid"], event["lang"])


async def test_a_request_event_says_what_became_of_the_request(track_with: TrackWith) -> None:
    """Method, template of the route, status, and the seconds until the answer was complete."""
    bench = await track_with()
    now = iter([10.0, 10.25])

    class Route:
        path_format = "/products/{sku}"
        endpoint = None

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = Route
        await answering(201, "application/json")(scope, receive, send)

    middleware = TrackerMiddleware(app, bench.tracker, request_event=labelled, clock=lambda: next(now))
    await ask(middleware, "/products/tea-1", method="PUT")

    (event,) = await events(bench)
    assert ["PUT /products/{sku}", "application/json", "201", "0.25"] == [
        event[key] for key in ("se_ac", "se_la", "se_pr", "se_va")
    ]


class Routed:
    """A route as frameworks describe it."""

    endpoint = html
    path = "/products/{sku:int}"


class Formatted(Routed):
    """A route that knows its template without the types."""

    path_format = "/products/{sku}"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, "None"),
        ({"path_template": "/products/{sku:int}"}, "/products/{sku:int}"),
        ({"route": Routed}, "/products/{sku:int}"),
        ({"route": Formatted}, "/products/{sku}"),
        ({"route": object()}, "None"),
        ({"route": Formatted, "fastapi": {}}, "/products/{sku}"),
        ({"route": Formatted, "fastapi": "odd"}, "/products/{sku}"),
    ],
)
async def test_a_route_is_told_as_the_framework_tells_it(
    track_with: TrackWith, found: dict[str, Any], expected: str
) -> None:
    """The template, or nothing at all: a path with somebody's number in it is none."""
    bench = await track_with()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope.update(found)
        await html(scope, receive, send)

    def routed(request: RequestInfo) -> Event:
        return StructuredEvent(category="request", action=str(request.route))

    await ask(TrackerMiddleware(app, bench.tracker, request_event=routed), "/products/1")

    assert [expected] == [event["se_ac"] for event in await events(bench)]


async def test_an_event_is_tracked_before_the_end_of_its_answer_is_sent(track_with: TrackWith) -> None:
    """Whoever has the whole answer may count on the event; what runs afterwards adds nothing to it."""
    bench = await track_with()
    offered: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(HTML)
        await send({"type": "http.response.body", "body": b"row", "more_body": True})
        offered.append(bench.tracker.stats().offered)
        await send(LAST)
        raise LookupError("in a background task")

    middleware = TrackerMiddleware(app, bench.tracker, request_event=labelled)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        offered.append(bench.tracker.stats().offered)

    with pytest.raises(LookupError):
        await middleware(http_scope(), receive, send)

    (event,) = await events(bench)
    assert ([0, 0, 0, 1], "200") == (offered, event["se_pr"])


async def test_an_exception_passes_through_and_counts_as_500(track_with: TrackWith) -> None:
    """Whatever the server makes of it, the request failed."""
    bench = await track_with()

    with pytest.raises(LookupError, match="no such product"):
        await ask(TrackerMiddleware(broken, bench.tracker, request_event=labelled, page_views=True))

    assert ["500"] == [event["se_pr"] for event in await events(bench)]


async def test_a_half_answer_counts_as_500(track_with: TrackWith) -> None:
    """Begun with 200, and then it failed, or just stopped."""
    bench = await track_with()

    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        await send(HTML)
        raise LookupError

    async def stops(scope: Scope, receive: Receive, send: Send) -> None:
        await send(HTML)

    with pytest.raises(LookupError):
        await ask(TrackerMiddleware(fails, bench.tracker, request_event=labelled))
    await ask(TrackerMiddleware(stops, bench.tracker, request_event=labelled))

    assert ["500", "500"] == [event["se_pr"] for event in await events(bench)]


async def test_a_cancelled_request_is_not_counted(track_with: TrackWith) -> None:
    """It has no outcome, and its cancellation goes its way."""
    bench = await track_with()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    with anyio.CancelScope() as cancelled:
        cancelled.cancel()
        await ask(TrackerMiddleware(app, bench.tracker, request_event=labelled))

    assert cancelled.cancelled_caught
    assert [] == await events(bench)


async def test_a_file_that_the_server_sends_is_an_answer(track_with: TrackWith) -> None:
    """With the extension `http.response.pathsend` there is no body to see."""
    bench = await track_with()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(HTML)
        await send({"type": "http.response.pathsend", "path": "/srv/index.html"})

    await ask(TrackerMiddleware(app, bench.tracker, page_views=True))

    assert ["pv"] == [event["e"] for event in await events(bench)]


async def test_no_event_for_none(track_with: TrackWith) -> None:
    """A function may choose its requests."""
    bench = await track_with()
    middleware = TrackerMiddleware(html, bench.tracker, request_event=lambda _: None)

    await ask(middleware)

    assert [] == await events(bench)


async def test_an_event_that_fails_costs_no_request(
    track_with: TrackWith, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer goes out as it is, and the log says it, not more than once in a minute."""
    bench = await track_with()
    moments = [0.0]

    def fails(request: RequestInfo) -> Event:
        raise LookupError("of mine")

    middleware = TrackerMiddleware(html, bench.tracker, request_event=fails, clock=lambda: moments[-1])
    for moment in (0.0, 59.0, 61.0):
        moments.append(moment)
        assert 200 == (await ask(middleware)).status

    assert 2 * ["the event of a request was not tracked: of mine"] == [
        record.getMessage() for record in caplog.records
    ]


async def test_a_tracker_that_was_never_opened_costs_no_request(
    track_with: TrackWith, caplog: pytest.LogCaptureFixture
) -> None:
    """Automatic events are lost, and the log says what to do; a handler that tracks gets the error."""
    bench = track_with.build()

    told = await ask(TrackerMiddleware(html, bench.tracker, page_views=True))

    assert 200 == told.status
    assert "is not open" in caplog.text


async def test_a_closed_tracker_refuses_with_a_count(track_with: TrackWith) -> None:
    """A request that outlives the tracker is answered, and its event is counted."""
    bench = await track_with()
    await bench.tracker.aclose()

    told = await ask(TrackerMiddleware(html, bench.tracker, page_views=True))

    assert (200, {"closed": 1}) == (told.status, dict(bench.tracker.stats().refused))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, ["/", "/health", "/health/db", "/healthy", "/static/a.css"]),
        ({"exclude": ["/health"]}, ["/", "/healthy", "/static/a.css"]),
        ({"exclude": ["/health/", re.compile(r"\.css$")]}, ["/", "/healthy"]),
        ({"include": ["/health"]}, ["/health", "/health/db"]),
        ({"include": ["/health"], "exclude": ["/health/db"]}, ["/health"]),
        ({"include": ["/"], "exclude": [re.compile("^/h")]}, ["/", "/static/a.css"]),
    ],
)
async def test_paths_are_left_out(track_with: TrackWith, rules: dict[str, Any], expected: list[str]) -> None:
    """A text means a path and all below it, a pattern is searched; exclusion wins."""
    bench = await track_with()
    middleware = TrackerMiddleware(html, bench.tracker, page_views=True, **rules)

    for path in ("/", "/health", "/health/db", "/healthy", "/static/a.css"):
        await ask(middleware, path)

    assert [f"http://shop.acme.com{path}" for path in expected] == [e["url"] for e in await events(bench)]


async def test_an_excluded_path_has_its_scope(track_with: TrackWith) -> None:
    """What a handler tracks itself there has its visitor all the same."""
    bench = await track_with()
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(user())

    middleware = TrackerMiddleware(app, bench.tracker, identity=token, page_views=True, exclude=["/"])
    await ask(middleware, **with_token("ann"))

    assert ["ann"] == seen


async def test_rules_do_not_know_the_root_path(track_with: TrackWith) -> None:
    """They say what the application's routes say, wherever it is mounted."""
    bench = await track_with()
    middleware = TrackerMiddleware(
        html, bench.tracker, request_event=labelled, page_views=True, exclude=["/health"]
    )

    await ask(middleware, "/api/health", root_path="/api")
    await ask(middleware, "/api", root_path="/api")

    actions = [event.get("se_ac", event["url"]) for event in await events(bench)]
    assert ["http://shop.acme.com/api", "GET /"] == actions


def test_a_base_url_without_a_host_is_refused() -> None:
    """At once, and by name."""
    tracker = Tracker("web", "https://collector.acme.com")

    with pytest.raises(ConfigurationError, match=r"https://shop\.acme\.com"):
        TrackerMiddleware(html, tracker, base_url="shop.acme.com")


# -- the lifespan -------------------------------------------------------------------------------------


async def test_a_lifespan_opens_and_closes(track_with: TrackWith) -> None:
    """What is tracked in it is delivered when it is left; it may be entered again."""
    bench = track_with.build()
    lifespan = tracker_lifespan(bench.tracker)

    for name in "ab":
        async with lifespan("the application") as state:
            assert None is state
            await bench.track(name)

    assert [["a"], ["b"]] == bench.transport.pages


async def test_a_lifespan_stands_around_another(track_with: TrackWith) -> None:
    """The tracker is open in the first and in the last line of the inner one, whose state is passed on."""
    bench = track_with.build()

    class Inner:
        def __init__(self, app: str) -> None:
            self._app = app

        async def __aenter__(self) -> dict[str, str]:
            await bench.track("first")
            return {"app": self._app}

        async def __aexit__(self, *_: object) -> None:
            await bench.track("last")

    async with tracker_lifespan(bench.tracker, Inner)("shop") as state:
        pass

    assert {"app": "shop"} == state
    assert ["first", "last"] == [page for batch in bench.transport.pages for page in batch]


async def test_a_plain_application_may_run_it(track_with: TrackWith) -> None:
    """An application that speaks the lifespan protocol itself needs nothing but the two."""
    bench = track_with.build()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await html(scope, receive, send)
            return
        await receive()
        async with tracker_lifespan(bench.tracker)(app):
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    middleware = TrackerMiddleware(app, bench.tracker, page_views=True)
    async with running(middleware):
        await ask(middleware, "/a")

    assert [["a"]] == bench.transport.pages


# -- what a scope tells -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, "http://shop.acme.com/a?b=c"),
        ({"scheme": "https"}, "https://shop.acme.com/a?b=c"),
        ({"type": "websocket", "scheme": "wss"}, "https://shop.acme.com/a?b=c"),
        ({"headers": []}, "http://shop.acme.com/a?b=c"),
        ({"headers": [], "server": ("::1", 8000)}, "http://[::1]:8000/a?b=c"),
        ({"headers": [(b"host", b"[::1]:8000")]}, "http://[::1]:8000/a?b=c"),
        ({"headers": [], "server": ("/run/shop.sock", None)}, ""),
        ({"headers": [], "server": None}, ""),
        (
            {"headers": [(b"host", b"shop.acme.com:8443")], "scheme": "https"},
            "https://shop.acme.com:8443/a?b=c",
        ),
        ({"path": "/käse", "raw_path": b"/k%C3%A4se?x=y"}, "http://shop.acme.com/k%C3%A4se?b=c"),
        ({"path": "/käse 1%", "raw_path": None}, "http://shop.acme.com/k%C3%A4se%201%25?b=c"),
        ({"root_path": "/api"}, "http://shop.acme.com/api/a?b=c"),
        ({"root_path": "/api", "path": "/api/a", "raw_path": b"/api/a"}, "http://shop.acme.com/api/a?b=c"),
        ({"root_path": "/a"}, "http://shop.acme.com/a?b=c"),
        ({"query_string": b""}, "http://shop.acme.com/a"),
    ],
)
def test_the_page_is_what_the_browser_shows(told: dict[str, Any], expected: str) -> None:
    """From whatever a server tells; empty when there is no host to name."""
    request = web_request({**http_scope("/a?b=c"), **told})

    assert expected == request.url


@pytest.mark.parametrize(
    "forged",
    [b"[::1", b"[::1::2]", b"a|b", b"shop.acme.com:99999", b"u:p@shop.acme.com", b"a/b", b"", b"\xe4"],
)
async def test_a_host_that_is_none_is_not_believed(track_with: TrackWith, forged: bytes) -> None:
    """The page then has the address that the server listens on: no event fails for a forged header."""
    bench = await track_with()
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(page_url_in(scope))
        await html(scope, receive, send)

    middleware = TrackerMiddleware(app, bench.tracker, page_views=True)
    await ask(middleware, "/a", headers=[(b"host", forged)])

    pages = [event["url"] for event in await events(bench)]
    assert ["http://shop.acme.com/a"] == seen == pages


FORWARDED = [(b"x-forwarded-proto", b"https"), (b"x-forwarded-host", b"tea.example")]
PROXIES = IdentityOptions(trusted_proxies=["10.0.0.0/8"])


@pytest.mark.parametrize(
    ("headers", "client", "expected"),
    [
        (FORWARDED, "10.0.0.1", "https://tea.example/a"),
        (FORWARDED[:1], "10.0.0.1", "https://shop.acme.com/a"),
        (FORWARDED[1:], "10.0.0.1", "http://tea.example/a"),
        ([(b"x-forwarded-proto", b"wss")], "10.0.0.1", "https://shop.acme.com/a"),
        ([(b"forwarded", b"proto=https;host=tea.example")], "10.0.0.1", "https://tea.example/a"),
        ([(b"x-forwarded-proto", b"gopher"), (b"x-forwarded-host", b"a|b")], "10.0.0.1", "http://shop.acme.com/a"),
        (FORWARDED, "192.0.2.1", "http://shop.acme.com/a"),
        (FORWARDED, None, "http://shop.acme.com/a"),
    ],
)  # fmt: skip
async def test_a_trusted_proxy_says_what_the_browser_shows(
    track_with: TrackWith, headers: list[tuple[bytes, bytes]], client: str | None, expected: str
) -> None:
    """Scheme and host of the page; anybody else says nothing."""
    bench = await track_with()
    middleware = TrackerMiddleware(html, bench.tracker, identity=PROXIES, page_views=True)

    peer = None if client is None else (client, 50_000)
    await ask(middleware, "/a", headers=[(b"host", b"shop.acme.com"), *headers], client=peer)

    assert [expected] == [event["url"] for event in await events(bench)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "http://shop.acme.com/a"),
        ({"identity": lambda _: Identity(Subject())}, "http://shop.acme.com/a"),
        ({"identity": PROXIES, "base_url": "https://acme.com/shop/"}, "https://acme.com/shop/a"),
    ],
)
async def test_who_believes_no_proxy(track_with: TrackWith, options: dict[str, Any], expected: str) -> None:
    """The default, an identity of one's own, and a base URL, which wins."""
    bench = await track_with()
    middleware = TrackerMiddleware(html, bench.tracker, page_views=True, **options)

    headers = [(b"host", b"shop.acme.com"), *FORWARDED]
    await ask(middleware, "/a", headers=headers, client=("10.0.0.1", 50_000))

    assert [expected] == [event["url"] for event in await events(bench)]


@pytest.mark.parametrize("base_url", ["https://shop.acme.com", "https://shop.acme.com/"])
def test_a_base_url_stands_for_the_host_header(base_url: str) -> None:
    """What a client calls the server is its own affair."""
    forged = http_scope("/a?b=c", headers=[(b"host", b"evil.example")])

    assert "https://shop.acme.com/a?b=c" == web_request(forged, base_url).url


@pytest.mark.parametrize(
    ("client", "expected"),
    [(("192.0.2.1", 1), "192.0.2.1"), (("::1", 1), "::1"), (None, None), (("", 0), None)],
)
def test_the_client_is_an_address_without_a_port(
    client: tuple[str, int] | None, expected: str | None
) -> None:
    """A Unix socket has none."""
    assert expected == web_request(http_scope(client=client)).client


def test_headers_come_as_they_came() -> None:
    """In order, repeated ones too; a server may hand out lists."""
    request = web_request({**http_scope(), "headers": [[b"cookie", b"a=1"], [b"cookie", b"b=2"]]})

    assert [(b"cookie", b"a=1"), (b"cookie", b"b=2")] == list(request.headers)


def test_a_page_without_a_good_address_is_no_page_view() -> None:
    """A server on a Unix socket without a Host header, say."""
    shown = RequestInfo("GET", "", "/", None, 200, 0.1, "text/html")

    assert None is viewed_page(shown)
