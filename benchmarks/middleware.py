"""What a request pays for its tracking: the same application without, with the middleware, and with an event.

    python -m benchmarks.middleware --requests 2000 --rounds 15

The application is called in the process, as a server would call it, and delivery goes to a collector that
answers at once: what is left is processor time of the request, batches included. Rounds of the variants
alternate, so that a busy machine is busy for all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI

from aiotracker import CollectorURL, Emitter, StructuredEvent, Tracker
from aiotracker.integrations.fastapi import install
from aiotracker.protocol.exchange import Reply, Request, Response

Message = MutableMapping[str, Any]
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]

COOKIES: Final = (
    b"theme=dark; consent=yes; _sp_ses.1fff=*; sp=9a3e1b1c-52a5-4d4b-9c49-2f3b1d2a8f10; "
    b"_sp_id.1fff=c3f5ff05-6f4a-4c53-92b6-5a8d8a7a1a11.1673957921.7.1673959786.1673957900."
    b"2f6a6a1e-4c4b-4f0a-8a52-0f7f0a1c2b3d.0b1f7c2a-9d3e-4b5a-8c6d-7e8f9a0b1c2d."
    b"1c2d3e4f-5a6b-4c7d-8e9f-0a1b2c3d4e5f.1673957921210.38"
)
HEADERS: Final = [
    (b"host", b"shop.acme.com"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"en-GB,en;q=0.7,de;q=0.3"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"referer", b"https://shop.acme.com/products?page=2"),
    (b"connection", b"keep-alive"),
    (b"cookie", COOKIES),
]


class Taking:
    """A collector that takes everything at once."""

    async def open(self, url: CollectorURL) -> None:
        """Do nothing."""

    async def send(self, request: Request) -> Reply:  # noqa: ARG002 - all are taken alike
        """Take it."""
        return Response(200)

    async def aclose(self) -> None:
        """Do nothing."""


def new_tracker() -> Tracker:
    """Return a tracker with a collector in the process."""
    return Tracker("bench", Emitter("https://collector.acme.com", transport=Taking()))


def raw() -> FastAPI:
    """Build the application without any tracking."""
    app = FastAPI()

    @app.get("/products/{sku}")
    async def product(sku: str) -> dict[str, str]:
        return {"sku": sku}

    return app


def with_middleware() -> FastAPI:
    """Build it with a tracker installed."""
    app = raw()
    install(app, new_tracker())
    return app


def with_event() -> FastAPI:
    """Build it with a tracker installed, and an event per request."""
    app = FastAPI()
    tracker = new_tracker()
    install(app, tracker)

    @app.get("/products/{sku}")
    async def product(sku: str) -> dict[str, str]:
        await tracker.track(StructuredEvent(category="product", action="shown", label=sku))
        return {"sku": sku}

    return app


def with_request_event() -> FastAPI:
    """Build it with a tracker installed that makes an event of each request by itself."""
    app = raw()
    install(
        app,
        new_tracker(),
        request_event=lambda request: StructuredEvent(
            category="request", action=str(request.route), value=request.duration_s
        ),
    )
    return app


VARIANTS: Final = {
    "application alone": raw,
    "with the middleware": with_middleware,
    "with it and one track()": with_event,
    "with it and request_event": with_request_event,
}


async def ask(app: ASGIApp) -> None:
    """Make one request."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] != HTTPStatus.OK:
            raise RuntimeError(f"the application answered {message['status']}")

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/products/tea-1",
        "raw_path": b"/products/tea-1",
        "query_string": b"utm_source=newsletter",
        "root_path": "",
        "headers": HEADERS,
        "client": ("192.0.2.1", 50_000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    await app(scope, receive, send)


async def microseconds(app: FastAPI, requests: int) -> float:
    """Return the processor time of a request, in microseconds, with its share of delivery."""
    async with app.router.lifespan_context(app):
        for _ in range(requests // 10):
            await ask(app)
        began_at = time.process_time()
        for _ in range(requests):
            await ask(app)
        seconds = time.process_time() - began_at
    return seconds / requests * 1e6


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requests", type=int, default=2_000, help="of each round")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()

    apps = {name: build() for name, build in VARIANTS.items()}
    taken: dict[str, list[float]] = {name: [] for name in apps}
    for _ in range(options.rounds):
        for name, app in apps.items():
            taken[name].append(asyncio.run(microseconds(app, options.requests)))

    alone = statistics.median(taken["application alone"])
    print(f"Python {sys.version.split()[0]}, {options.rounds} rounds of {options.requests:,} requests")
    print(f"{'':28}{'µs per request':>16}{'more than alone':>18}")
    for name, rounds in taken.items():
        median = statistics.median(rounds)
        print(f"{name:28}{median:16.1f}{median - alone:18.1f}")


if __name__ == "__main__":
    main()
