"""A service that leaves sending to a relay: `python -m tests.end_to_end.storing STORE COUNT`."""

import sys

import anyio

from aiotracker import PageView, StoreOnly, Tracker
from aiotracker.stores import store_of


def event(number: int) -> PageView:
    """Return one event of many."""
    return PageView(page_url=f"https://shop.acme.com/{number}")


async def store(url: str, count: int) -> list[str | None]:
    """Track events into a store; return their ids."""
    async with Tracker("web", StoreOnly(store_of(url), max_wait=10.0), app_id="shop") as tracker:
        return [
            await tracker.track(event(number))
            if number % 100 == 0  # waits for its commit, and so for the others before it
            else tracker.track_nowait(event(number))
            for number in range(count)
        ]


if __name__ == "__main__":
    sys.stdout.writelines(f"{event_id}\n" for event_id in anyio.run(store, sys.argv[1], int(sys.argv[2])))
