"""The store in an SQLite file, beyond what every store promises: opening, room, letters, the end."""

import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from aiotracker import ConfigurationError, DropReason, Kind, SQLiteStore
from aiotracker.runtime import current_loop
from aiotracker.stores.sqlite.requests import Leasing
from aiotracker.stores.sqlite.writer import Writer
from aiotracker.testing import RecordingHost
from aiotracker.testing.records import LARGE, make_record, names
from tests import stages
from tests.unit.stores.conftest import PATIENCE, SHARING_SECONDS, Bench, locked


def threads() -> set[threading.Thread]:
    """Return the threads that there are, without those that trio keeps for 10 s, for its next use of one."""
    return {each for each in threading.enumerate() if not each.name.startswith("Trio thread")}


# -- opening ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("path", ""),
        ("path", ":memory:"),
        ("path", None),
        ("path", b"events.db"),
        ("max_bytes", 0),
        ("max_events", 0),
        ("buffer_events", 1.5),
        ("buffer_bytes", -1),
        ("max_dead_letters", 0),
        ("synchronous", "off"),
        ("lease_seconds", 0),
        ("lease_seconds", float("inf")),
    ],
)
def test_what_cannot_work_is_refused(setting: str, value: object) -> None:
    """A mistake raises where it is made, and says which setting it is."""
    settings: dict[str, Any] = {"path": "events.db", setting: value}

    with pytest.raises(ConfigurationError) as caught:
        SQLiteStore(**settings)

    assert setting == caught.value.setting


def test_what_only_an_open_store_needs_is_not_imported_before() -> None:
    """Who keeps events in memory pays nothing."""
    code = """
import sys, aiotracker
aiotracker.SQLiteStore("events.db"), aiotracker.RedisStore("redis://localhost")
for name in "sqlite3", "aiotracker.stores.sqlite.writer", "redis", "aiotracker.stores.redis.consumer":
    print(name if name in sys.modules else "", end="")
"""

    assert (
        ""
        == subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout.strip()
    )


async def test_a_folder_is_refused(bench: Bench) -> None:
    """It can never be a file."""
    bench.path.mkdir()

    with pytest.raises(ConfigurationError, match="is a folder"):
        await bench.open()


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("CREATE TABLE users (name TEXT)", "another application"),
        ("PRAGMA application_id = 7; CREATE TABLE users (name TEXT)", "another application"),
        ("PRAGMA user_version = 9", "newer aiotracker"),
    ],
)
async def test_a_file_of_somebody_else_is_left_alone(bench: Bench, statement: str, says: str) -> None:
    """That of another application, or of a newer release: refused, and neither changed nor set aside."""
    if "user_version" in statement:
        await bench.close(await bench.open())
    with sqlite3.connect(bench.path) as connection:
        connection.executescript(statement)
    connection.close()
    before = bench.path.read_bytes()

    with pytest.raises(ConfigurationError, match=says):
        await bench.open()

    assert before == bench.path.read_bytes()
    assert [bench.path.name] == [each.name for each in bench.path.parent.iterdir()]


async def test_stores_that_begin_a_file_together_do_not_disturb_each_other(bench: Bench) -> None:
    """As the workers of a service do, the first time that it starts."""
    bench.busy_seconds = SHARING_SECONDS
    stores = [bench.make() for _ in range(4)]
    async with anyio.create_task_group() as tasks:
        for store in stores:
            tasks.start_soon(bench.open, store)

    for store, name in zip(stores, "abcd", strict=True):
        await bench.put(store, name)

    assert {*"abcd"} == {*names(await bench.lease(stores[0]))}


async def test_the_file_says_whose_it_is(bench: Bench) -> None:
    """For `file`, and for the next release."""
    await bench.close(await bench.open())

    with sqlite3.connect(bench.path) as connection:
        names_ = ("application_id", "user_version")
        found = [connection.execute(f"PRAGMA {name}").fetchone() for name in names_]
    connection.close()

    assert [(0x41696F54,), (1,)] == found


async def test_closing_leaves_one_file(bench: Bench) -> None:
    """The log is in the file, which may be copied."""
    store = await bench.open()
    await bench.put(store, "a")

    await bench.close(store)

    assert [bench.path.name] == [each.name for each in bench.path.parent.iterdir()]


async def test_a_cancelled_opening_leaves_nothing_open(bench: Bench) -> None:
    """Nobody would close it."""
    before = threads()
    store = bench.make()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await store.open(RecordingHost())

    await bench.until(lambda: threads() <= before)

    await bench.open(store)
    await bench.put(store, "a")
    assert ["a"] == names(await bench.lease(store))


# -- rounds -------------------------------------------------------------------------------------------


async def test_what_is_put_together_is_committed_together(bench: Bench) -> None:
    """One transaction and one call on the loop, however many records came in."""
    bench.busy_seconds = PATIENCE
    store = await bench.open()
    before = bench.hosts[store].changes

    with locked(bench.path):  # or how many rounds there are would depend on who gets the processor
        bench.put_nowait(store, "x" * 2_000)
    await bench.until(lambda: not store.backlog().volatile)

    assert bench.hosts[store].changes - before < 20


async def test_both_kinds_of_a_group_keep_their_order(bench: Bench) -> None:
    """Numbers tell which record was put first, whichever kind it is of."""
    store = await bench.open()
    for name in "abcdef":
        bench.put_nowait(store, name, Kind.ANONYMOUS if name in "bdf" else Kind.ORDINARY)
    await bench.until(lambda: not store.backlog().volatile)

    leases = [await bench.lease(store), await bench.lease(store)]

    put = sorted(
        (number, name) for each in leases for number, name in zip(each.sequences, names(each), strict=True)
    )
    assert list("abcdef") == [name for _, name in put]


async def test_records_may_hold_any_bytes(bench: Bench) -> None:
    """Nothing is taken for a separator."""
    store = await bench.open()
    record = make_record("a")._replace(data=make_record("a").data + b"\x00,\n\xff" * 50)
    for _ in range(3):
        store.reserve(record.size_bytes)
        store.put(record, 0.0)

    lease = await bench.lease(store)

    assert [record] * len(lease) == list(lease.records)


async def test_a_lease_that_nobody_takes_comes_back(bench: Bench) -> None:
    """Its caller was cancelled while the file was being read."""
    store = await bench.open()
    await bench.put(store, "a")
    writer = store._writer
    assert writer is not None
    abandoned = Leasing(current_loop(), 1, LARGE)
    abandoned.is_abandoned = True

    writer.submit(abandoned)
    await abandoned.wait()

    assert ["a"] == names(await bench.lease(store))


# -- room ---------------------------------------------------------------------------------------------

MIB = 1024 * 1024
LOG = 4 * MIB  # without the transaction that goes beyond it
BUFFERS = 6
"""One beyond the bound, one put and one removed in the last transaction; pages take up to twice as much."""


def disk_bytes(path: Path) -> int:
    """Return what a file and its companions take up."""
    return sum(each.stat().st_size for each in path.parent.iterdir() if each.name.startswith(path.name))


async def fill(bench: Bench, store: SQLiteStore, size: int) -> int:
    """Put records until there is no room, for good; return how many found room."""
    record, count, calm = make_record("a", size=size), 0, 0
    while calm < 2:
        while store.reserve(size):
            store.put(record, 0.0)
            count, calm = count + 1, 0
        await bench.until(lambda: not store.backlog().volatile)
        calm += 1
    return count


@pytest.mark.parametrize("size", [150, 2_200, 4_300, 60_000])
async def test_the_file_stays_within_its_bound(bench: Bench, size: int) -> None:
    """However badly records fit into pages, and however often room is freed and used again."""
    store = await bench.open(max_bytes=4 * MIB, buffer_bytes=MIB // 2)
    most = count = 0
    for _ in range(2):
        count = await fill(bench, store, size)
        most = max(most, disk_bytes(bench.path))
        left = count // 2
        while left > 0:
            lease = await bench.lease(store, min(left, 5_000), 900_000)
            left -= await store.ack(lease)

    assert count > 0
    assert most < 4 * MIB + LOG + BUFFERS * MIB // 2


async def test_evicting_keeps_the_file_within_its_bound(bench: Bench) -> None:
    """Large records that push out small ones, and the other way round."""
    store = await bench.open(max_bytes=2 * MIB, buffer_bytes=MIB // 4)
    await fill(bench, store, 150)
    most = 0
    for size in (5_000, 150, 30_000):
        record = make_record("b", size=size)
        for _ in range(2 * MIB // size // 2):
            while not store.reserve(size) and store.evict(size) is None:  # noqa: ASYNC110 - only trying tells
                await anyio.sleep(0.001)
            store.put(record, 0.0)
        await bench.until(lambda: not store.backlog().volatile)
        most = max(most, disk_bytes(bench.path))

    assert most < 2 * MIB + LOG + BUFFERS * MIB // 4
    assert {DropReason.EVICTED} == {loss.reason for loss in bench.hosts[store].losses}


async def test_an_empty_file_gets_smaller_when_it_is_closed(bench: Bench) -> None:
    """An outage that is long over keeps no disk."""
    store = await bench.open()
    for _ in range(12):
        await bench.put(store, "a" * 20, size=50_000)
    while (lease := await store.lease(1_000, 10**7)) is not None:
        await store.ack(lease)

    await bench.close(store)

    assert disk_bytes(bench.path) < MIB // 8


async def test_dead_letters_take_up_at_most_a_quarter(bench: Bench) -> None:
    """Otherwise they would end all service in the end."""
    store = await bench.open(max_bytes=MIB)

    for _ in range(20):
        await bench.put(store, "a", size=50_000)
        await store.reject(await bench.lease(store), DropReason.REJECTED)

    assert 5 == await store.count_dead_letters()
    assert "dead letters" in bench.reasons(store)


# -- the end ------------------------------------------------------------------------------------------


def test_a_store_whose_loop_has_died_can_be_closed_on_another(tmp_path: Path) -> None:
    """What was volatile is safe then, and what was leased is free."""
    bench = Bench(tmp_path / "events.db")
    store = bench.make()

    async def abandon() -> None:
        await bench.open(store)
        await bench.put(store, "ab")
        await bench.lease(store, 1)
        bench.put_nowait(store, "c")

    async def close() -> list[str]:
        return await bench.close(store)

    async def look() -> list[str]:
        await bench.open(store)
        found = names(await bench.lease(store))
        await bench.close(store)
        return found

    for loop, other in (("asyncio", "trio"), ("trio", "asyncio")):
        bench.path.unlink(missing_ok=True)
        anyio.run(abandon, backend=loop)
        assert [] == anyio.run(close, backend=other)
        assert list("abc") == anyio.run(look, backend=loop)


async def test_a_thread_that_is_gone_is_no_hindrance_at_exit(bench: Bench) -> None:
    """Whoever ends the program does the writing then."""
    store = bench.make()
    host = RecordingHost()
    await bench.open(store)
    living = store._writer
    assert living is not None
    store._writer = Writer(living._settings, living._memory, host, current_loop())  # never started
    store.reserve(150)
    store.put(make_record("a"), 0.0)

    lost = store.at_exit(time.monotonic() + 5)

    again = await bench.open()
    assert (0, ["a"]) == (lost, names(await bench.lease(again)))
    store._writer = living


async def test_the_thread_ends_with_the_store(bench: Bench) -> None:
    """Nothing is left behind."""
    before = threads()
    store = await bench.open()

    await bench.close(store)

    await bench.until(lambda: threads() <= before)


async def test_a_closed_store_answers(bench: Bench) -> None:
    """Late calls find nothing, and nobody waits for ever."""
    store = await bench.open()
    await bench.put(store, "a")
    lease = await bench.lease(store)
    await bench.close(store)

    assert None is await store.lease(1, LARGE)
    assert (1, 0) == (await store.ack(lease), await store.reclaim())
    with pytest.raises(OSError, match="not open"):
        await store.count_dead_letters()


def test_every_loop_is_covered() -> None:
    """The tests above run on all of them."""
    assert {"asyncio", "uvloop", "trio"} == {*stages.LOOPS}
