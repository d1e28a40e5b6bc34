"""Tasks of a shop that track what they do, in Celery's worker processes.

Run them with `celery -A examples.celery_tasks worker`. They take the address of the collector from
COLLECTOR_URL and that of the broker from BROKER_URL.
"""

import os
from decimal import Decimal

from celery import Celery
from celery.signals import worker_process_shutdown

from aiotracker import SelfDescribingEvent, Subject, Tracker, hosted, scope

PRICES = {"tea-1": Decimal("4.50"), "tea-2": Decimal("6.00")}

app = Celery("shop", broker=os.environ.get("BROKER_URL", "redis://127.0.0.1:6379/0"))
app.conf.task_ignore_result = True

# Opened in each worker process, by the first task that tracks there.
events = hosted(Tracker("tasks", os.environ.get("COLLECTOR_URL", "http://127.0.0.1:9090"), app_id="shop"))


class OrderShipped(SelfDescribingEvent, schema="iglu:com.acme/order_shipped/jsonschema/1-0-0"):
    """An order left the house."""

    order_id: str
    total: Decimal


@app.task  # type: ignore[untyped-decorator]  # Celery has no types
def ship_order(order_id: str, sku: str, quantity: int, user_id: str) -> None:
    """Ship an order, and track it for the user who placed it."""
    with scope(subject=Subject(user_id=user_id)):
        events.track_nowait(OrderShipped(order_id=order_id, total=PRICES[sku] * quantity))


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]  # likewise
def deliver_the_rest(**_signal: object) -> None:
    """Deliver what is left: Celery ends its worker processes without Python's exit hooks."""
    events.close()
