"""A shop on Litestar that tracks its page views and orders.

Run it with `litestar --app examples.litestar_app:app run`, or `python examples/litestar_app.py`. It takes
its settings from the environment: COLLECTOR_URL, PUBLIC_URL and, when run as a script, PORT.
"""

import os
import uuid
from decimal import Decimal
from typing import Annotated, Any

import uvicorn
from litestar import Litestar, Request, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody
from pydantic import BaseModel, Field

from aiotracker import Entity, PageView, SelfDescribingEvent, Tracker
from aiotracker.integrations.asgi import page_url_in
from aiotracker.integrations.litestar import TrackerDep, TrackerPlugin

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


@get("/products/{sku:str}")
async def show_product(
    sku: FromPath[str], request: Request[Any, Any, Any], tracker: TrackerDep
) -> dict[str, str]:
    """Show a product, and track that it was viewed."""
    product = find_product(sku)
    # Strangers write addresses: `clipped` cuts what is too long.
    view = PageView.clipped(
        page_url=page_url_in(request.scope), page_title=f"Product {sku}", context=[product]
    )
    await tracker.track(view)
    return {"sku": sku, "price": str(product.price)}


@post("/orders")
async def place_order(data: JSONBody[Order], tracker: TrackerDep) -> dict[str, str]:
    """Take an order, and track it under the id that the shop gave it."""
    product = find_product(data.sku)
    placed = OrderPlaced(order_id=str(uuid.uuid4()), total=product.price * data.quantity, context=[product])
    await tracker.track(placed)
    return {"order_id": placed.order_id, "total": str(placed.total)}


@get("/health")
async def health(tracker: TrackerDep) -> dict[str, str]:
    """Tell how delivery fares; the shop itself is well without a collector, so this is always 200."""
    return {"tracking": tracker.health().status}


def create_app() -> Litestar:
    """Build the application; each process that serves it has a tracker of its own."""
    tracker = Tracker("web", os.environ.get("COLLECTOR_URL", "http://127.0.0.1:9090"), app_id="shop")
    # Opens the tracker with the application and closes it after it, and adds to every event who made the
    # request. The Host header only says what a client made up, so the shop says what it is called.
    plugin = TrackerPlugin(tracker, base_url=os.environ.get("PUBLIC_URL", "http://127.0.0.1:8000"))
    return Litestar([show_product, place_order, health], plugins=[plugin])


def find_product(sku: str) -> Product:
    """Return a product of the shop, or answer 404."""
    if sku not in PRICES:
        raise NotFoundException("no such product")
    return Product(sku=sku, price=PRICES[sku])


app = create_app()

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
