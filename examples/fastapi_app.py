"""A shop on FastAPI that tracks its page views and orders.

Run it with `uvicorn examples.fastapi_app:app` or `python examples/fastapi_app.py`. It takes its settings
from the environment: COLLECTOR_URL, PUBLIC_URL and, when run as a script, PORT.
"""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Annotated

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, Field

from aiotracker import Entity, PageView, SelfDescribingEvent, Subject, Tracker, scope

PRICES = {"tea-1": Decimal("4.50"), "tea-2": Decimal("6.00")}


class Product(Entity, schema="iglu:com.acme/product/jsonschema/1-0-0"):
    """What an event was about."""

    sku: str
    price: Decimal


class OrderPlaced(SelfDescribingEvent, schema="iglu:com.acme/order_placed/jsonschema/1-0-0"):
    """Somebody bought something."""

    order_id: str
    total: Decimal


class Order(BaseModel):
    """The body of `POST /orders`."""

    sku: str
    quantity: Annotated[int, Field(ge=1, le=100)] = 1


async def visitor_scope(request: Request) -> AsyncIterator[None]:
    """Add to every event of a request who sent it."""
    # Strangers write headers: `clipped` cuts what is too long and leaves out what cannot be valid.
    # Behind a proxy, let uvicorn's --forwarded-allow-ips find the visitor's own address.
    visitor = Subject.clipped(
        ip_address=request.client.host if request.client else None,
        useragent=request.headers.get("user-agent"),
        lang=request.headers.get("accept-language", "").partition(",")[0],
    )
    with scope(subject=visitor):
        yield


def tracker_of(request: Request) -> Tracker:
    """Return the tracker that the lifespan opened."""
    tracker: Tracker = request.state.tracker
    return tracker


OpenTracker = Annotated[Tracker, Depends(tracker_of)]
router = APIRouter(dependencies=[Depends(visitor_scope)])


@router.get("/products/{sku}")
async def show_product(sku: str, request: Request, tracker: OpenTracker) -> dict[str, str]:
    """Show a product, and track that it was viewed."""
    product = find_product(sku)
    await tracker.track(
        PageView.clipped(
            page_url=page_url(request),
            page_title=f"Product {sku}",
            referrer=request.headers.get("referer"),
            context=[product],
        )
    )
    return {"sku": sku, "price": str(product.price)}


@router.post("/orders", status_code=201)
async def place_order(order: Order, tracker: OpenTracker) -> dict[str, str]:
    """Take an order, and track it under the id that the shop gave it."""
    product = find_product(order.sku)
    placed = OrderPlaced(order_id=str(uuid.uuid4()), total=product.price * order.quantity, context=[product])
    await tracker.track(placed)
    return {"order_id": placed.order_id, "total": str(placed.total)}


@router.get("/health")
async def health(tracker: OpenTracker) -> dict[str, str]:
    """Tell how delivery fares; the shop itself is well without a collector, so this is always 200."""
    return {"tracking": tracker.health().status}


def create_app() -> FastAPI:
    """Build the application; each process that serves it has a tracker of its own."""
    collector = os.environ.get("COLLECTOR_URL", "http://127.0.0.1:9090")

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Tracker]]:
        # Leaving the block delivers what is left, and takes 5 seconds at most.
        async with Tracker("web", collector, app_id="shop") as tracker:
            yield {"tracker": tracker}

    app = FastAPI(title="Shop", lifespan=lifespan)
    app.include_router(router)
    return app


def find_product(sku: str) -> Product:
    """Return a product of the shop, or answer 404."""
    if sku not in PRICES:
        raise HTTPException(404, "no such product")
    return Product(sku=sku, price=PRICES[sku])


def page_url(request: Request) -> str:
    """Return the address that the visitor sees; the Host header only says what a client made up."""
    public_url = os.environ.get("PUBLIC_URL", "http://127.0.0.1:8000")
    query = request.url.query
    return f"{public_url}{request.url.path}" + (f"?{query}" if query else "")


app = create_app()

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
