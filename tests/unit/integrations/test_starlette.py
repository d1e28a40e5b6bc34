"""Starlette applications with a tracker installed."""

import functools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from aiotracker import ConfigurationError, PageView, Tracker
from aiotracker.integrations.starlette import install, page_url_of, tracker_of
from tests.fakes.asgi import ask, running, talk
from tests.fakes.bench import Bench, TrackWith, view
from tests.fakes.visits import by_token, labelled, user, with_token


def actions(bench: Bench) -> list[str]:
    """Return what has arrived of the events above."""
    return [f"{event['se_ac']} {event['se_la']}" for event in bench.transport.events]


def pages(bench: Bench) -> list[str]:
    """Return the pages of what has arrived, by their last part."""
    return [page for batch in bench.transport.pages for page in batch]


async def test_one_line_does_everything(track_with: TrackWith) -> None:
    """The tracker lives as long as the application and knows who asks."""
    bench = track_with.build()

    async def show(request: Request) -> Response:
        await tracker_of(request).track(PageView(page_url=f"{page_url_of(request)}/shown"))
        return HTMLResponse("shown")

    app = Starlette(routes=[Route("/products/{sku}", show)])
    install(app, bench.tracker, identity=by_token, page_views=True)

    async with running(app):
        await ask(app, "/products/tea-1", **with_token("ann"))

    events = bench.transport.events
    assert [("tea-1/shown", "ann"), ("products/tea-1", "ann")] == [
        ("/".join(event["url"].split("/")[-2:]), event["uid"]) for event in events
    ]


# -- the lifespan -------------------------------------------------------------------------------------


def with_lifespan(bench: Bench, *, fails_in: str = "", state: Mapping[str, Any] | None = None) -> Starlette:
    """Return an application whose own lifespan tracks in its first and its last line."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[Any]:
        await bench.track("first")
        if fails_in == "startup":
            raise LookupError("no database")
        yield state
        await bench.track("last")
        if fails_in == "shutdown":
            raise LookupError("no database")

    async def show(request: Request) -> Response:
        return JSONResponse({"database": request.state.database})

    app = Starlette(routes=[Route("/", show)], lifespan=lifespan)
    install(app, bench.tracker)
    return app


async def test_a_lifespan_and_its_state_stay_as_they_are(track_with: TrackWith) -> None:
    """The tracker is open in its first and in its last line."""
    bench = track_with.build()
    app = with_lifespan(bench, state={"database": "up"})

    async with running(app) as state:
        told = await ask(app, state=dict(state))

    assert ({"database": "up"}, b'{"database":"up"}') == (state, told.body)
    assert ["first", "last"] == pages(bench)


@pytest.mark.parametrize(("fails_in", "expected"), [("startup", ["first"]), ("shutdown", ["first", "last"])])
async def test_a_lifespan_that_fails_loses_nothing(
    track_with: TrackWith, fails_in: str, expected: list[str]
) -> None:
    """Its exception goes its way, and the tracker is closed behind it."""
    bench = track_with.build()

    with pytest.raises(RuntimeError, match="no database"):
        async with running(with_lifespan(bench, fails_in=fails_in)):
            pass

    assert expected == pages(bench)
    assert None is await bench.tracker.track(view("late"))  # it is closed


async def test_an_application_starts_again(track_with: TrackWith) -> None:
    """As in a project whose tests start it once each."""
    bench = track_with.build()
    app = with_lifespan(bench)

    for _ in range(2):
        async with running(app):
            pass

    assert ["first", "last"] * 2 == pages(bench)


async def test_a_tracker_that_is_open_already_is_told_at_the_start(track_with: TrackWith) -> None:
    """It has another owner, who would close it, too."""
    bench = await track_with()

    with pytest.raises(RuntimeError, match="already open"):
        async with running(with_lifespan(bench)):
            pass


def test_wrong_options_are_told_at_once() -> None:
    """Not with the first request."""
    app = Starlette()

    with pytest.raises(ConfigurationError, match="base_url"):
        install(app, Tracker("web", "https://collector.acme.com"), base_url="shop")

    assert [] == app.user_middleware


async def test_an_application_that_has_started_is_told_at_once(track_with: TrackWith) -> None:
    """Starlette builds its middleware once; nothing is half installed."""
    bench = track_with.build()
    app = Starlette()
    lifespan = app.router.lifespan_context
    await ask(app)

    with pytest.raises(RuntimeError):
        install(app, bench.tracker)

    assert lifespan == app.router.lifespan_context


# -- requests -----------------------------------------------------------------------------------------


async def test_concurrent_requests_are_never_mixed(track_with: TrackWith) -> None:
    """Coroutines, threads, streams, background tasks, with a middleware of Starlette's own in between."""
    bench = track_with.build()

    async def awaits(request: Request) -> Response:
        await anyio.lowlevel.checkpoint()
        await bench.track(request.path_params["name"])
        return PlainTextResponse("awaited")

    def blocks(request: Request) -> Response:
        bench.tracker.track_nowait(view(request.path_params["name"]))
        return PlainTextResponse("blocked")

    async def streams(request: Request) -> Response:
        async def rows() -> AsyncIterator[str]:
            for _ in range(2):
                yield "row"
                await bench.track(request.path_params["name"])

        return StreamingResponse(rows())

    async def afterwards(request: Request) -> Response:
        name = request.path_params["name"]
        return PlainTextResponse("done", background=BackgroundTask(bench.track, name))

    async def around(request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)

    kinds: list[Callable[[Request], Any]] = [awaits, blocks, streams, afterwards]
    app = Starlette(routes=[Route(f"/{kind.__name__}/{{name}}", kind) for kind in kinds])
    app.add_middleware(BaseHTTPMiddleware, dispatch=around)
    install(app, bench.tracker, identity=by_token)

    async with running(app), anyio.create_task_group() as tasks:
        for number in range(10):
            for kind in kinds:
                name = f"{kind.__name__}-{number}"
                path = f"/{kind.__name__}/{name}"
                tasks.start_soon(functools.partial(ask, app, path, **with_token(name)))

    events = bench.transport.events
    assert 50 == len(events)
    assert [] == [event for event in events if event["url"].rpartition("/")[2] != event["uid"]]


async def test_a_websocket_has_its_tracker_and_its_visitor(track_with: TrackWith) -> None:
    """As a request has."""
    bench = track_with.build()

    async def chat(socket: WebSocket) -> None:
        await socket.accept()
        async for text in socket.iter_text():
            await tracker_of(socket).track(view(text))
            await socket.send_text(str(user()))

    app = Starlette(routes=[WebSocketRoute("/chat", chat)])
    install(app, bench.tracker, identity=by_token)

    async with running(app):
        said = await talk(app, "/chat", "one", "two", **with_token("ann"))

    assert (["ann", "ann"], ["one", "two"]) == (said, pages(bench))


async def test_routes_are_told_by_their_templates(track_with: TrackWith, tmp_path: Path) -> None:
    """Mounted applications included; where nothing matched, there is none."""
    bench = track_with.build()
    (tmp_path / "a.css").write_text("")

    async def show(request: Request) -> Response:
        return PlainTextResponse("ok")

    inner = Starlette(routes=[Route("/items/{item}", show)])
    app = Starlette(
        routes=[
            Route("/products/{sku:int}", show),
            Mount("/static", StaticFiles(directory=tmp_path)),
            Mount("/inner", inner),
        ]
    )
    install(app, bench.tracker, request_event=labelled)

    async with running(app):
        for path in ("/products/1", "/products/tea", "/static/a.css", "/inner/items/2", "/inner/nothing"):
            await ask(app, path)
        await ask(app, "/products/1", method="POST")

    expected = [
        "GET /products/{sku} 200",
        "GET None 404",
        "GET /static/{path} 200",
        "GET /inner/items/{item} 200",
        "GET /inner/{path} 404",
        "POST /products/{sku} 405",
    ]
    assert expected == actions(bench)


async def test_an_exception_of_a_handler_counts_as_500(track_with: TrackWith) -> None:
    """It reaches the server as it would without us."""
    bench = track_with.build()

    async def fails(request: Request) -> Response:
        raise LookupError("no such product")

    app = Starlette(routes=[Route("/", fails)])
    install(app, bench.tracker, request_event=labelled)

    async with running(app):
        with pytest.raises(LookupError, match="no such product"):
            await ask(app)

    assert ["GET / 500"] == actions(bench)
