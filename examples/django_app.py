"""A shop on Django, in one file, that tracks its page views and orders.

Run it with `uvicorn examples.django_app:application`, or with `gunicorn examples.django_app:wsgi`. It takes
the address of the collector from COLLECTOR_URL.
"""

import json
import os
import uuid
from decimal import Decimal

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from aiotracker import Entity, SelfDescribingEvent
from aiotracker.integrations.django import get_tracker, with_lifespan

PRICES = {"tea-1": Decimal("4.50"), "tea-2": Decimal("6.00")}

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    MIDDLEWARE=["aiotracker.integrations.django.TrackerMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ.get("SECRET_KEY", "only for this example"),
    AIOTRACKER={
        "COLLECTOR": os.environ.get("COLLECTOR_URL", "http://127.0.0.1:9090"),
        "NAMESPACE": "web",
        "APP_ID": "shop",
        "PAGE_VIEWS": True,
    },
)
django.setup()


class Product(Entity, schema="iglu:com.acme/product/jsonschema/1-0-0"):
    """What an event was about."""

    sku: str
    price: Decimal


class OrderPlaced(SelfDescribingEvent, schema="iglu:com.acme/order_placed/jsonschema/1-0-0"):
    """Somebody bought something."""

    order_id: str
    total: Decimal


async def show_product(request: HttpRequest, sku: str) -> HttpResponse:  # noqa: ARG001 - Django passes it
    """Show a product; the middleware tracks that it was viewed."""
    return HttpResponse(f"<h1>{sku}</h1><p>{find_product(sku).price}</p>")


def place_order(request: HttpRequest) -> JsonResponse:
    """Take an order, and track it under the id that the shop gave it."""
    order = json.loads(request.body)
    product = find_product(order["sku"])
    placed = OrderPlaced(
        order_id=str(uuid.uuid4()), total=product.price * int(order["quantity"]), context=[product]
    )
    get_tracker().track_nowait(placed)
    return JsonResponse({"order_id": placed.order_id, "total": str(placed.total)}, status=201)


def health(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - Django passes it
    """Tell how delivery fares; the shop itself is well without a collector, so this is always 200."""
    return JsonResponse({"tracking": get_tracker().health().status})


def find_product(sku: str) -> Product:
    """Return a product of the shop, or answer 404."""
    if sku not in PRICES:
        raise Http404("no such product")
    return Product(sku=sku, price=PRICES[sku])


urlpatterns = [
    path("products/<sku>", show_product),
    path("orders", place_order),
    path("health", health),
]

# Under ASGI the lifespan delivers what is left when the server stops; under WSGI the end of a worker does.
application = with_lifespan(get_asgi_application())
wsgi = get_wsgi_application()
