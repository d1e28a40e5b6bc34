"""A taskiq worker that tracks what its tasks do.

`python examples/taskiq_worker.py` puts orders into a broker in memory and works them off itself. With a
broker that lasts, such as Redis, `taskiq worker examples.taskiq_worker:broker` works for other processes. It
takes the setting COLLECTOR_URL from the environment.
"""

import asyncio
import os
from decimal import Decimal

from taskiq import Context, InMemoryBroker, TaskiqDepends, TaskiqEvents, TaskiqState

from aiotracker import (
    SelfDescribingEvent,
    Subject,
    Tracker,
    capture_errors,
    scope,
    shutdown_on_signals,
    timed,
)

broker = InMemoryBroker(await_inplace=True)
tracker = Tracker("worker", os.environ.get("COLLECTOR_URL", "http://127.0.0.1:9090"), app_id="shop")


class OrderShipped(SelfDescribingEvent, schema="iglu:com.acme/order_shipped/jsonschema/1-0-0"):
    """An order left the house."""

    order_id: str
    total: Decimal


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def open_tracker(state: TaskiqState) -> None:
    """Open the tracker on the loop of the worker, in each of its processes."""
    state.tracker = await tracker.open()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def close_tracker(state: TaskiqState) -> None:
    """Deliver what is left, which takes 5 seconds at most."""
    await state.tracker.aclose()


@broker.task
@capture_errors(tracker)
@timed(tracker, category="orders", variable="ship")
async def ship(
    order_id: str,
    total: str,
    user_id: str,
    context: Context = TaskiqDepends(),  # noqa: B008 - as taskiq wants it
) -> None:
    """Ship an order, and track it as its customer's."""
    with scope(subject=Subject(user_id=user_id)):
        await context.state.tracker.track(OrderShipped(order_id=order_id, total=Decimal(total)))
    if Decimal(total) > 1_000:  # noqa: PLR2004 - what fits into a parcel
        raise ValueError(f"order {order_id} does not fit into a parcel")


async def main() -> None:
    """Put orders into the broker until there are no more, or a signal comes."""
    await broker.startup()
    try:
        async with shutdown_on_signals():
            for number, total in enumerate(["4.50", "12.00", "9999.00"]):
                task = await ship.kiq(f"o-{number}", total, f"u-{number}")
                result = await task.wait_result()
                print(f"o-{number}", "failed" if result.is_err else "shipped")
    finally:
        await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
