"""Tracks events and ends without closing its tracker: `leave STAGE URL HOW [EVENTS] [SETTING]`."""

import sys
import time

import aiohttp
import anyio
import httpx

from aiotracker import AiohttpTransport, Emitter, HttpxTransport, PageView, Tracker
from tests.stages import Stage

STAGE = Stage.named(sys.argv[1])
URL, HOW, EVENTS, SETTING = (*sys.argv[2:], "1000", "")[:4]

KEPT: list[Tracker] = []  # trackers that nobody collects before the interpreter ends


def emitter() -> Emitter:
    """Return an emitter that waits longer for its batches to fill than the program lives."""
    if SETTING == "own_client":
        return Emitter(URL, transport=lending(), flush_interval=30.0)
    return STAGE.emitter(URL, exit_flush=SETTING != "no_exit_flush", flush_interval=30.0)


def lending() -> AiohttpTransport | HttpxTransport:
    """Return a transport that uses a client of ours."""
    if STAGE.transport == "httpx":
        return HttpxTransport(httpx.AsyncClient(trust_env=False))
    return AiohttpTransport(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))


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


STAGE.run(main)
