"""One of several processes on one SQLite file: `sqlite_process DEED PATH LEASE_SECONDS [ARGUMENT …]`.

DEED is `hold COUNT` (lease records and wait), `fill NAME COUNT` (put records, tell of each that is safe),
`drain` (deliver until nothing is left and `stop` exists beside the file), `denied UID` (put one record as a
user who may not write there) or `fork` (a child ends, in every way that there is, while its parent goes on).
"""

import os
import sys
import threading
import warnings
from functools import partial
from pathlib import Path

import anyio

from aiotracker import SQLiteStore
from aiotracker.testing import RecordingHost
from aiotracker.testing.records import LARGE, make_record, names

DEED, PATH, LEASE_SECONDS, *ARGUMENTS = sys.argv[1:]
HOST = RecordingHost()


def say(text: str) -> None:
    """Tell the test."""
    print(text, flush=True)


async def opened() -> SQLiteStore:
    """Return an open store."""
    store = SQLiteStore(PATH, lease_seconds=float(LEASE_SECONDS))
    await store.open(HOST)
    return store


async def close(store: SQLiteStore) -> None:
    """Close a store, and tell what it gave up."""
    say(f"given up {sum(map(len, await store.aclose(HOST.clock.now() + 5)))}")


async def put(store: SQLiteStore, *names_: str) -> None:
    """Put records, and wait until they are safe."""
    commit = None
    for name in names_:
        record = make_record(name)
        while not store.reserve(record.size_bytes):  # noqa: ASYNC110 - nobody tells of it
            await anyio.sleep(0.001)
        commit = store.put(record, HOST.clock.now())
    assert commit is not None
    await commit.wait()


async def hold() -> None:
    """Lease records, and neither settle them nor end."""
    lease = await (await opened()).lease(int(ARGUMENTS[0]), LARGE)
    say(f"holding {len(names(lease))}")
    await anyio.sleep_forever()


async def fill() -> None:
    """Put records by ten, and tell which ones are safe."""
    store = await opened()
    name, count = ARGUMENTS[0], int(ARGUMENTS[1])
    for start in range(0, count, 10):
        some = [f"{name}-{number}" for number in range(start, start + 10)]
        await put(store, *some)
        say(" ".join(["safe", *some]))
    await close(store)


async def drain() -> None:
    """Deliver records, and tell which ones."""
    store = await opened()
    stop = Path(PATH).with_name("stop")
    while True:
        is_over = stop.exists()
        lease = await store.lease(7, LARGE)
        if lease is None:
            if is_over:
                break
            await anyio.sleep(0.005)
            continue
        assert len(lease) == await store.ack(lease)
        say(" ".join(["sent", *names(lease)]))
    await close(store)


async def denied() -> None:
    """Put a record as somebody who may not write there, and send it from memory."""
    import sqlite3  # noqa: F401 - where it is installed, this user may not even read

    os.setuid(int(ARGUMENTS[0]))
    store = await opened()
    record = make_record("a")
    store.reserve(record.size_bytes)
    store.put(record, HOST.clock.now())
    while not HOST.lines:  # noqa: ASYNC110 - as above
        await anyio.sleep(0.005)
    say(f"reason {HOST.lines[0].reason}")
    lease = await store.lease(1, LARGE)
    say(" ".join(["sent", *names(lease)]))
    if lease is not None:
        await store.ack(lease)
    await close(store)


def fork_and_leave(store: SQLiteStore, how: str) -> int:
    """Fork a child that ends at once; return its exit status."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of every thread
        pid = os.fork()
    if pid == 0:
        store.after_fork()
        if how == "reopening":
            thread = threading.Thread(target=anyio.run, args=(reopened,))
            thread.start()
            thread.join()
        if how == "exiting":
            sys.exit(0)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


async def reopened() -> None:
    """In a child: put a record of its own."""
    store = await opened()
    await put(store, "child")
    await store.aclose(HOST.clock.now() + 5)


async def fork() -> None:
    """Put records before, while and after children come and go."""
    store = await opened()
    is_over = False
    count = 0

    async def go_on() -> None:
        nonlocal count
        while not is_over:
            await put(store, f"p{count}")
            count += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go_on)
        for how in ("leaving", "reopening", "reopening"):
            await anyio.sleep(0.02)
            code = await anyio.to_thread.run_sync(partial(fork_and_leave, store, how))
            say(f"child {code}")
        is_over = True
    found: list[str] = []
    while (lease := await store.lease(1_000, LARGE)) is not None:
        found += names(lease)
        await store.ack(lease)
    say(f"put {count} found {len(found)} {found.count('child')} {len({*found})}")
    say(f"reasons {' '.join(line.reason for line in HOST.lines)}")
    STORES.append(store)


async def after_fork() -> None:
    """Close what was left open when its loop was over, and have it there."""
    record = make_record("late")
    STORES[0].reserve(record.size_bytes)
    STORES[0].put(record, HOST.clock.now())
    await close(STORES[0])


STORES: list[SQLiteStore] = []

anyio.run({"hold": hold, "fill": fill, "drain": drain, "denied": denied, "fork": fork}[DEED])
if STORES:
    say(f"child {fork_and_leave(STORES[0], 'exiting')}")
    anyio.run(after_fork)
