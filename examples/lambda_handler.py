"""A function for AWS Lambda that takes orders from a queue and tracks them.

Its handler is `lambda_handler.handler`, its trigger an SQS queue. It takes the setting COLLECTOR_URL from the
environment. Run as a script it plays one invocation, with an order from the command line or of its own.
"""

import json
import os
import sys
from decimal import Decimal
from typing import Any

from aiotracker import SelfDescribingEvent, Tracker, capture_errors, hosted, timed
from aiotracker.integrations.aws_lambda import flushed

# One for each container: it keeps its connections between invocations. It opens itself with the first event.
tracker = hosted(Tracker("orders", os.environ.get("COLLECTOR_URL", "http://127.0.0.1:9090"), app_id="shop"))


class OrderTaken(SelfDescribingEvent, schema="iglu:com.acme/order_taken/jsonschema/1-0-0"):
    """An order came out of the queue."""

    order_id: str
    total: Decimal


@flushed(tracker)
@capture_errors(tracker)
def handler(event: dict[str, Any], context: object) -> dict[str, int]:  # noqa: ARG001 - as Lambda calls it
    """Take the orders of one invocation. What was tracked is delivered before it ends."""
    records = event["Records"]
    for record in records:
        take(json.loads(record["body"], parse_float=Decimal))
    return {"taken": len(records)}


@timed(tracker, category="orders", variable="take")
def take(order: dict[str, Any]) -> None:
    """Take one order."""
    tracker.track_nowait(OrderTaken(order_id=order["id"], total=order["total"]))


if __name__ == "__main__":
    body = sys.argv[1] if len(sys.argv) > 1 else '{"id": "o-1", "total": 4.50}'
    print(handler({"Records": [{"body": body}]}, None))
