"""A shop on aiohttp that tracks its page views and orders.

Run it with `python examples/aiohttp_app.py`. It takes its settings from the environment: COLLECTOR_URL,
PUBLIC_URL and PORT.
"""

import os
import uuid
from decimal import Decimal
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field, ValidationError

from aiotracker import Entity, PageView, SelfDescribingEvent, Tracker
from aiotracker.integrations.aiohttp import page_url_of, setup, tracker_of

PRICES = {"tea-1": Decimal("4.50"), "tea-2": Decimal("6.00")}
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


@routes.get("/products/{sku}")
async def show_product(request: web.Request) -> web.Response:
    """Show a product, and track that it was viewed."""
    product = find_product(request.match_info["sku"])
    # Strangers write addresses: `clipped` cuts what is too long.
    view = PageView.clipped(
        page_url=page_url_of(request), page_title=f"Product {product.sku}", context=[product]
    )
    await tracker_of(request).track(view)
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
    await tracker_of(request).track(placed)
    return web.json_response({"order_id": placed.order_id, "total": str(placed.total)}, status=201)


@routes.get("/health")
async def health(request: web.Request) -> web.Response:
    """Tell how delivery fares; the shop itself is well without a collector, so this is always 200."""
    return web.json_response({"tracking": tracker_of(request).health().status})


def create_app() -> web.Application:
    """Build the application; each process that serves it has a tracker of its own."""
    app = web.Application()
    app.add_routes(routes)
    tracker = Tracker("web", os.environ.get("COLLECTOR_URL", "http://127.0.0.1:9090"), app_id="shop")
    # Opens the tracker with the application and closes it after it, and adds to every event who made the
    # request. The Host header only says what a client made up, so the shop says what it is called.
    setup(app, tracker, base_url=os.environ.get("PUBLIC_URL", "http://127.0.0.1:8080"))
    return app


def find_product(sku: str) -> Product:
    """Return a product of the shop, or answer 404."""
    if sku not in PRICES:
        raise web.HTTPNotFound(text="no such product")
    return Product(sku=sku, price=PRICES[sku])


if __name__ == "__main__":
    web.run_app(create_app(), host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
