"""FastAPI applications with a tracker installed."""

import functools
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

import anyio
import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, WebSocket
from fastapi.responses import HTMLResponse

from aiotracker import (
    AiotrackerWarning,
    Subject,
    Tracker,
    TrackerStateError,
    scope,
)
from aiotracker.integrations.fastapi import TrackerDep, get_tracker, install
from tests.fakes.asgi import ask, running, talk
from tests.fakes.bench import Bench, TrackWith, view
from tests.fakes.visits import by_token, labelled, with_token


def arrived(bench: Bench) -> list[tuple[str, str]]:
    """Return the last part of the page and the user of what has arrived, sorted."""
    events = bench.transport.events
    return sorted((event["url"].rpartition("/")[2], event["uid"]) for event in events)


async def test_endpoints_get_the_tracker(track_with: TrackWith) -> None:
    """Coroutines await `track()`; plain functions, in their threads, call `track_nowait()`."""
    bench = track_with.build()
    app = FastAPI()

    @app.get("/awaits/{name}")
    async def awaits(name: str, tracker: TrackerDep) -> str:
        await tracker.track(view(name))
        return name

    @app.get("/blocks/{name}")
    def blocks(name: str, tracker: TrackerDep) -> str:
        tracker.track_nowait(view(name))
        return name

    install(app, bench.tracker, identity=by_token)
    async with running(app), anyio.create_task_group() as tasks:
        for number in range(10):
            for kind in ("awaits", "blocks"):
                name = f"{kind}-{number}"
                path = f"/{kind}/{name}"
                tasks.start_soon(functools.partial(ask, app, path, **with_token(name)))

    names = sorted(f"{kind}-{number}" for kind in ("awaits", "blocks") for number in range(10))
    assert [(name, name) for name in names] == arrived(bench)


async def test_websockets_get_the_tracker(track_with: TrackWith) -> None:
    """By the same dependency."""
    bench = track_with.build()
    app = FastAPI()

    @app.websocket("/chat")
    async def chat(socket: WebSocket, tracker: TrackerDep) -> None:
        await socket.accept()
        async for text in socket.iter_text():
            await tracker.track(view(text))

    install(app, bench.tracker, identity=by_token)
    async with running(app):
        await talk(app, "/chat", "one", "two", **with_token("ann"))

    assert [("one", "ann"), ("two", "ann")] == arrived(bench)


async def test_background_tasks_keep_the_visitor(track_with: TrackWith) -> None:
    """Coroutines and plain functions."""
    bench = track_with.build()
    app = FastAPI()

    @app.get("/")
    async def order(tracker: TrackerDep, afterwards: BackgroundTasks) -> str:
        afterwards.add_task(tracker.track, view("awaited"))
        afterwards.add_task(tracker.track_nowait, view("blocked"))
        return "ordered"

    install(app, bench.tracker, identity=by_token)
    async with running(app):
        await ask(app, **with_token("ann"))

    assert [("awaited", "ann"), ("blocked", "ann")] == arrived(bench)


async def test_an_async_dependency_may_add_to_the_scope(track_with: TrackWith) -> None:
    """Who is logged in is known to the application, not to the request."""
    bench = track_with.build()

    async def logged_in() -> AsyncIterator[None]:
        with scope(subject=Subject(user_id="u-1")):
            yield

    app = FastAPI()

    @app.get("/blocks", dependencies=[Depends(logged_in)])
    def blocks(tracker: TrackerDep) -> str:
        tracker.track_nowait(view("blocked"))
        return "ok"

    @app.get("/nobody")
    async def nobody(tracker: TrackerDep) -> str:
        await tracker.track(view("nobody"))
        return "ok"

    install(app, bench.tracker, identity=by_token)
    async with running(app):
        await ask(app, "/blocks", **with_token("ann"))
        await ask(app, "/nobody", **with_token("ann"))

    assert [("blocked", "u-1"), ("nobody", "ann")] == arrived(bench)


async def test_a_plain_dependency_cannot_add_to_the_scope(track_with: TrackWith) -> None:
    """FastAPI runs its two halves in two threads, with a context each: a warning says so."""
    bench = track_with.build()

    def logged_in() -> Iterator[None]:
        with scope(subject=Subject(user_id="u-1")):
            yield

    app = FastAPI()

    @app.get("/", dependencies=[Depends(logged_in)])
    async def awaits(tracker: TrackerDep) -> str:
        await tracker.track(view("awaited"))
        return "ok"

    install(app, bench.tracker, identity=by_token)
    async with running(app):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            await ask(app, **with_token("ann"))

    assert [("awaited", "ann")] == arrived(bench)
    assert [AiotrackerWarning] == [warning.category for warning in caught]


async def test_routers_are_told_with_their_prefixes(track_with: TrackWith) -> None:
    """However deep they are included, and whenever: before `install()` or after."""
    bench = track_with.build()
    products, shop = APIRouter(prefix="/products"), APIRouter(prefix="/shop")

    @products.get("/{sku}")
    async def show(sku: str) -> str:
        return sku

    inner = FastAPI()
    inner.include_router(products)
    shop.include_router(products)
    app = FastAPI()
    app.include_router(products)
    install(app, bench.tracker, request_event=labelled)
    app.include_router(shop)
    app.mount("/inner", inner)

    async with running(app):
        for path in ("/products/1", "/shop/products/2", "/inner/products/3", "/shop"):
            await ask(app, path)

    events = bench.transport.events
    assert [
        "GET /products/{sku}",
        "GET /shop/products/{sku}",
        "GET /inner/products/{sku}",
        "GET None",
    ] == [event["se_ac"] for event in events]


async def test_answers_of_the_framework_count_as_they_are(track_with: TrackWith) -> None:
    """404 and 422 are answers, an exception is a 500."""
    bench = track_with.build()
    app = FastAPI()

    @app.get("/{number}")
    async def show(number: int) -> str:
        if number:
            raise LookupError
        raise HTTPException(404)

    install(app, bench.tracker, request_event=labelled)
    async with running(app):
        await ask(app, "/0")
        await ask(app, "/tea")
        with pytest.raises(LookupError):
            await ask(app, "/1")

    events = bench.transport.events
    assert ["404", "422", "500"] == [event["se_la"] for event in events]


async def test_pages_are_viewed_without_code(track_with: TrackWith) -> None:
    """What answers HTML is a page; the rest of the application is not."""
    bench = track_with.build()
    app = FastAPI()

    @app.get("/page", response_class=HTMLResponse)
    async def page() -> str:
        return "<h1>Tea</h1>"

    @app.get("/json")
    async def json() -> str:
        return "tea"

    install(app, bench.tracker, identity=by_token, page_views=True, exclude=["/docs"])
    async with running(app):
        for path in ("/page", "/json", "/docs"):
            await ask(app, path, **with_token("ann"))

    assert [("page", "ann")] == arrived(bench)


async def test_a_test_may_put_another_tracker_in_place(track_with: TrackWith) -> None:
    """The dependency is overridden as any other."""
    bench, other = track_with.build(), await track_with()
    app = FastAPI()

    @app.get("/")
    async def awaits(tracker: TrackerDep) -> str:
        await tracker.track(view("awaited"))
        return "ok"

    install(app, bench.tracker)
    app.dependency_overrides[get_tracker] = lambda: other.tracker
    async with running(app):
        await ask(app)

    assert (0, 1) == (bench.tracker.stats().offered, other.tracker.stats().offered)


async def test_without_installing_the_error_says_what_to_do() -> None:
    """To whoever asks for the tracker."""
    app = FastAPI()

    @app.get("/")
    async def awaits(tracker: TrackerDep) -> str:
        return tracker.namespace

    with pytest.raises(TrackerStateError, match="TrackerMiddleware"):
        await ask(app)


async def test_the_dependency_is_not_a_parameter_of_the_api(track_with: TrackWith) -> None:
    """The documentation of the application does not show it."""
    app = FastAPI()

    async def awaits(sku: str, tracker: Annotated[Tracker, Depends(get_tracker)]) -> str:
        return sku

    def named(sku: str, tracker: TrackerDep) -> str:
        return sku

    app.get("/a")(awaits)
    app.get("/b")(named)

    paths = app.openapi()["paths"]
    assert [["sku"], ["sku"]] == [
        [parameter["name"] for parameter in paths[path]["get"]["parameters"]] for path in ("/a", "/b")
    ]
