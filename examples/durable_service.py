"""A shop on FastAPI that puts its events into a file; a relay, a program of its own, sends them.

Run it with `uvicorn examples.durable_service:app`, and beside it

    aiotracker relay --store sqlite:///events.db --collector http://127.0.0.1:9090

An event that was tracked is safe when the answer goes out: neither a crash of the shop nor one of the relay
loses it, and neither waits for the collector. It takes its settings from the environment: AIOTRACKER_STORE,
which the relay reads, too, PUBLIC_URL and, when run as a script, PORT.
"""

import os
import uuid
from decimal import Decimal
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Request
from pydantic import BaseModel, Field

from aiotracker import PageView, SelfDescribingEvent, StoreOnly, Tracker
from aiotracker.integrations.fastapi import TrackerDep, install, page_url_of
from aiotracker.stores import store_of

PRICES = {"tea-1": Decimal("4.50"), "tea-2": Decimal("6.00")}

app = FastAPI(title="Shop")
# A URL names SQLite here and Redis there. Where it is always a file, this is StoreOnly(SQLiteStore(path)).
store = store_of(os.environ.get("AIOTRACKER_STORE", "sqlite:///events.db"))
tracker = Tracker("web", StoreOnly(store), app_id="shop")
install(app, tracker, base_url=os.environ.get("PUBLIC_URL", "http://127.0.0.1:8000"))


class OrderPlaced(SelfDescribingEvent, schema="iglu:com.acme/order_placed/jsonschema/1-0-0"):
    """Somebody bought something."""

    order_id: str
    total: Decimal


class Order(BaseModel):
    """The body of `POST /orders`."""

    sku: str
    quantity: Annotated[int, Field(ge=1, le=100)] = 1


@app.get("/products/{sku}")
async def show_product(sku: str, request: Request, tracker: TrackerDep) -> dict[str, str]:
    """Show a product, and track that it was viewed."""
    await tracker.track(PageView.clipped(page_url=page_url_of(request), page_title=f"Product {sku}"))
    return {"sku": sku, "price": str(PRICES.get(sku, "?"))}


@app.post("/orders", status_code=201)
async def place_order(order: Order, tracker: TrackerDep) -> dict[str, str]:
    """Take an order, and track it under the id that the shop gave it."""
    total = PRICES.get(order.sku, Decimal(0)) * order.quantity
    placed = OrderPlaced(order_id=str(uuid.uuid4()), total=total)
    await tracker.track(placed)
    return {"order_id": placed.order_id, "total": str(placed.total)}


@app.get("/health")
async def health(tracker: TrackerDep) -> dict[str, str | int]:
    """Tell whether events get safe, and how many wait for a relay."""
    return {"tracking": tracker.health().status, "waiting": tracker.stats().buffered}


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
