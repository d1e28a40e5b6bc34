"""Tracks events and ends without closing its tracker: `leave LOOP URL HOW [EVENTS] [SETTING]`."""

import sys
import time

import anyio
import httpx

from aiotracker import Emitter, HttpxTransport, PageView, Tracker
from tests.life.loops import run

LOOP, URL, HOW, EVENTS, SETTING = (*sys.argv[1:], "1000", "")[:5]

KEPT: list[Tracker] = []  # trackers that nobody collects before the interpreter ends


def emitter() -> Emitter:
    """Return an emitter that waits longer for its batches to fill than the program lives."""
    settings = {"flush_interval": 30.0}
    match SETTING:
        case "no_exit_flush":
            return Emitter(URL, exit_flush=False, **settings)  # type: ignore[arg-type]  # only seconds
        case "own_client":
            client = httpx.AsyncClient(trust_env=False)
            return Emitter(URL, transport=HttpxTransport(client), **settings)  # type: ignore[arg-type]  # likewise
        case _:
            return Emitter(URL, **settings)  # type: ignore[arg-type]  # likewise


async def main() -> None:
    """Open, track, and leave."""
    tracker = Tracker("leaving", emitter())
    if HOW != "forgotten":
        KEPT.append(tracker)
    await tracker.open()
    if SETTING == "warm":  # a connection has answered before
        await tracker.deliver(PageView(page_url="https://acme.com/first"))
    for number in range(int(EVENTS)):
        await tracker.track(PageView(page_url=f"https://acme.com/{number}"))
    if SETTING == "sending":  # a request is under way
        with anyio.move_on_after(0.2):
            await tracker.flush()
    print(f"leaving {time.monotonic()}", flush=True)
    match HOW:
        case "exit":
            sys.exit(3)
        case "raise":
            raise ValueError("the user's own")
        case _:
            pass


run(LOOP, main)
