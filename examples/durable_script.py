"""A script whose events outlive it: what the collector did not take today is sent by tomorrow's run.

Run it with `python examples/durable_script.py`, with a collector or without. It takes its settings from the
environment: COLLECTOR_URL and EVENTS_DB, the file for the events.
"""

import asyncio
import os
from decimal import Decimal

from aiotracker import Emitter, SelfDescribingEvent, SQLiteStore, Tracker

STOCK = {"tea-1": 120, "tea-2": 0, "tea-3": 7}


class StockCounted(SelfDescribingEvent, schema="iglu:com.acme/stock_counted/jsonschema/1-0-0"):
    """Somebody counted what is left of a product."""

    sku: str
    count: Decimal


async def main() -> None:
    """Count everything."""
    emitter = Emitter(
        os.environ.get("COLLECTOR_URL", "http://127.0.0.1:9090"),
        event_store=SQLiteStore(os.environ.get("EVENTS_DB", "events.db")),
    )
    tracker = Tracker("stock", emitter, app_id="shop", platform="app")
    async with tracker:
        for sku, count in STOCK.items():
            await tracker.track(StockCounted(sku=sku, count=Decimal(count)))
        await tracker.aclose(timeout=1.0)
    print(f"delivered {tracker.stats().delivered}, left for the next run {tracker.stats().buffered}")


if __name__ == "__main__":
    asyncio.run(main())
