"""A script without an event loop: it tracks what it does, and ends when it is done.

Run it with `python examples/script.py`. It takes the address of the collector from COLLECTOR_URL.
"""

import os
from decimal import Decimal

from aiotracker import SelfDescribingEvent, Tracker, hosted

STOCK = {"tea-1": 120, "tea-2": 0, "tea-3": 7}
LOW = 10

events = hosted(
    Tracker("stock", os.environ.get("COLLECTOR_URL", "http://127.0.0.1:9090"), app_id="shop", platform="app")
)


class StockCounted(SelfDescribingEvent, schema="iglu:com.acme/stock_counted/jsonschema/1-0-0"):
    """Somebody counted what is left of a product."""

    sku: str
    count: Decimal
    is_low: bool


def main() -> None:
    """Count everything."""
    for sku, count in STOCK.items():
        events.track_nowait(StockCounted(sku=sku, count=Decimal(count), is_low=count < LOW))
    print(f"counted {len(STOCK)} products")
    # What is left is delivered when the interpreter ends, within 5 seconds. Nothing has to be closed.


if __name__ == "__main__":
    main()
