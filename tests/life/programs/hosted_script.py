"""Tracks without a loop and ends: `hosted_script URL HOW [LOOP] [EVENTS]`.

HOW is `plain`, `thread` (another thread tracks when the main one has ended), `pool` (an executor that
nobody shuts down does), `fork` (children track, too, while threads of the parent do), `multiprocessing`, or
`closed` (inside a `with` block).
"""

import multiprocessing
import os
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from aiotracker import Emitter, PageView, Tracker, hosted
from tests import stages

URL, HOW, LOOP, EVENTS = (*sys.argv[1:], *("asyncio", "10")[len(sys.argv) - 3 :])[:4]
BACKEND, OPTIONS = stages.backend(LOOP)

events = hosted(
    Tracker("script", Emitter(URL, flush_interval=30.0)), backend=BACKEND, backend_options=OPTIONS
)


def track() -> None:
    """Track some events and tell their ids."""
    tell([track_one() for _ in range(int(EVENTS))])


def track_one() -> str | None:
    """Track an event; return its id."""
    return events.track_nowait(PageView(page_url="https://acme.com/"))


def tell(ids: Sequence[str | None]) -> None:
    """Print ids."""
    print("".join(f"id {event_id}\n" for event_id in ids), end="", flush=True)


def when_main_has_ended() -> None:
    """Track when only this thread keeps the process."""
    threading.main_thread().join()
    track()


def fork() -> None:
    """Fork children while threads of the parent track; the children end as scripts do."""
    is_over = threading.Event()
    ids: list[str | None] = []

    def hammer() -> None:
        while not is_over.is_set():
            ids.append(track_one())
            time.sleep(0.001)

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    children = []
    for _ in range(3):
        time.sleep(0.02)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # since 3.12, of threads
            pid = os.fork()
        if pid == 0:
            track()
            sys.exit(0)
        children.append(pid)
    is_over.set()
    for thread in threads:
        thread.join()
    tell(ids)
    for pid in children:
        print(f"child {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}", flush=True)


def begin_processes() -> None:
    """Have a forked and a spawned process track."""
    for method in ("fork", "spawn"):
        process = multiprocessing.get_context(method).Process(target=track)  # type: ignore[attr-defined]  # of every context
        process.start()
        process.join()
        print(f"child {process.exitcode}", flush=True)


def main() -> None:
    """Do what the command line says."""
    match HOW:
        case "plain":
            track()
        case "thread":
            track()
            threading.Thread(target=when_main_has_ended).start()
        case "pool":
            track()
            pool = ThreadPoolExecutor(1)
            pool.submit(time.sleep, 0.3)
            pool.submit(track)
        case "fork":
            track()
            fork()
        case "multiprocessing":
            track()
            begin_processes()
        case _:
            with events:
                track()
    print(f"leaving {time.monotonic()}", flush=True)


if __name__ == "__main__":
    main()
