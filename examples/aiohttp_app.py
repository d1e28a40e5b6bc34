"""A shop on aiohttp that tracks its page views and orders.

Run it with `python examples/aiohttp_app.py`. It takes its settings from the environment: COLLECTOR_URL,
PUBLIC_URL and PORT.
"""

import os
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, Field, ValidationError

from aiotracker import Entity, PageView, SelfDescribingEvent, Subject, Tracker, scope

PRICES = {"tea-1": Decimal("4.50"), "tea-2": Decimal("6.00")}
TRACKER = web.AppKey("tracker", Tracker)
routes = web.RouteTableDef()


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


@web.middleware
async def visitor_scope(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Add to every event of a request who sent it."""
    # Strangers write headers: `clipped` cuts what is too long and leaves out what cannot be valid.
    # Behind a proxy, `request.remote` is the proxy: aiohttp-remotes finds the visitor's own address.
    visitor = Subject.clipped(
        ip_address=request.remote,
        useragent=request.headers.get("User-Agent"),
        lang=request.headers.get("Accept-Language", "").partition(",")[0],
    )
    with scope(subject=visitor):
        return await handler(request)


@routes.get("/products/{sku}")
async def show_product(request: web.Request) -> web.Response:
    """Show a product, and track that it was viewed."""
    product = find_product(request.match_info["sku"])
    await request.app[TRACKER].track(
        PageView.clipped(
            page_url=page_url(request),
            page_title=f"Product {product.sku}",
            referrer=request.headers.get("Referer"),
            context=[product],
        )
    )
    return web.json_response({"sku": product.sku, "price": str(product.price)})


@routes.post("/orders")
async def place_order(request: web.Request) -> web.Response:
    """Take an order, and track it under the id that the shop gave it."""
    try:
        order = Order.model_validate_json(await request.read())
    except ValidationError as error:
        raise web.HTTPUnprocessableEntity(text=str(error)) from error
    product = find_product(order.sku)
    placed = OrderPlaced(order_id=str(uuid.uuid4()), total=product.price * order.quantity, context=[product])
    await request.app[TRACKER].track(placed)
    return web.json_response({"order_id": placed.order_id, "total": str(placed.total)}, status=201)


@routes.get("/health")
async def health(request: web.Request) -> web.Response:
    """Tell how delivery fares; the shop itself is well without a collector, so this is always 200."""
    return web.json_response({"tracking": request.app[TRACKER].health().status})


async def open_tracker(app: web.Application) -> AsyncIterator[None]:
    """Keep a tracker open for as long as the application serves."""
    collector = os.environ.get("COLLECTOR_URL", "http://127.0.0.1:9090")
    # Leaving the block delivers what is left, and takes 5 seconds at most.
    async with Tracker("web", collector, app_id="shop") as tracker:
        app[TRACKER] = tracker
        yield


def create_app() -> web.Application:
    """Build the application; each process that serves it has a tracker of its own."""
    app = web.Application(middlewares=[visitor_scope])
    app.cleanup_ctx.append(open_tracker)
    app.add_routes(routes)
    return app


def find_product(sku: str) -> Product:
    """Return a product of the shop, or answer 404."""
    if sku not in PRICES:
        raise web.HTTPNotFound(text="no such product")
    return Product(sku=sku, price=PRICES[sku])


def page_url(request: web.Request) -> str:
    """Return the address that the visitor sees; the Host header only says what a client made up."""
    public_url = os.environ.get("PUBLIC_URL", "http://127.0.0.1:8080")
    return f"{public_url}{request.rel_url}"


if __name__ == "__main__":
    web.run_app(create_app(), host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
