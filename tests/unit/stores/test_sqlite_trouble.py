"""What becomes of events when something is wrong with the file: a lock, a full disk, damage, removal."""

import asyncio
import os
import random
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from aiotracker import DropReason, SQLiteStore
from aiotracker.clock import SystemClock
from aiotracker.errors import ConfigurationError
from aiotracker.stores.sqlite.file import DamagedFileError, SQLiteFile
from aiotracker.stores.sqlite.requests import Ending
from aiotracker.stores.sqlite.trouble import Trouble
from aiotracker.testing.records import names
from tests.unit.stores.conftest import SHARING_SECONDS, Bench, locked


def beside(path: Path) -> list[str]:
    """Return the names of what lies beside a file, without what SQLite keeps there."""
    return sorted(each.name for each in path.parent.iterdir() if not each.name.endswith(("-wal", "-shm")))


@contextmanager
def full(store: SQLiteStore) -> Iterator[None]:
    """Let a file grow no more, as on a full disk."""
    assert store._writer is not None
    file = store._writer._place._file
    assert file is not None
    connection = file._connection
    (most,) = connection.execute("PRAGMA max_page_count = 1").fetchone()  # as many as there are
    yield
    assert connection.execute(f"PRAGMA max_page_count = {1000 * most}").fetchone() == (1000 * most,)


class Disk:
    """Where commits go; it may hang.

    Attributes:
        is_waited_for: whether somebody writes to it while it hangs.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_waited_for = False
        self._hang: threading.Event | None = None
        commit = SQLiteFile.commit

        def wait_and_commit(file: SQLiteFile) -> None:
            if self._hang is not None:
                self.is_waited_for = True
                assert self._hang.wait(30)
            commit(file)

        monkeypatch.setattr(SQLiteFile, "commit", wait_and_commit)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Let it hang."""
        hang = self._hang = threading.Event()
        try:
            yield
        finally:
            self._hang = None
            hang.set()


def overwrite(path: Path, offset: int, text: bytes) -> None:
    """Damage a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(text)


def remove(path: Path) -> None:
    """Remove a file with its companions, which come first: a new one with its own may be begun at once."""
    for each in sorted(path.parent.iterdir(), reverse=True):
        each.unlink()


# -- what passes --------------------------------------------------------------------------------------


async def test_a_locked_file_stops_nothing(bench: Bench) -> None:
    """Events are sent from memory, one line says why, and another that it is over."""
    store = await bench.open()
    with locked(bench.path):
        bench.put_nowait(store, "ab")
        await bench.until(lambda: "locked" in bench.reasons(store))
        sent = await bench.lease(store, 1)
        count = await store.ack(sent)
        rest = store.backlog()
    await bench.until(lambda: not store.backlog().volatile)

    assert (["a"], 1, 1) == (names(sent), count, rest.volatile)
    assert ["b"] == names(await bench.lease(store))
    assert ["locked", "recovered"] == bench.reasons(store)


async def test_what_was_settled_while_the_file_was_locked_is_settled(bench: Bench) -> None:
    """The answer comes at once, and the deed when it can be done."""
    store = await bench.open()
    await bench.put(store, "abcd")
    whole = await bench.lease(store)
    with locked(bench.path):
        counts = [
            await store.ack(whole.part(0, 1)),
            await store.reject(whole.part(1, 2), DropReason.REJECTED, "why"),
        ]
        await store.release(whole.part(2, 3))
        reclaimed = await store.reclaim()
        nothing = await store.lease(1, 10**6)
        with pytest.raises(OSError, match="cannot be used"):
            await store.count_dead_letters()
    await bench.until(lambda: store.backlog().events == 2 and not store.backlog().leased)

    assert ([1, 1], 1, None) == (counts, reclaimed, nothing)
    assert list("cd") == names(await bench.lease(store))
    assert ["why"] == [letter.detail for letter in await store.dead_letters()]


async def test_what_was_rejected_from_memory_becomes_a_dead_letter(bench: Bench) -> None:
    """Its record was never in the file."""
    store = await bench.open()
    with locked(bench.path):
        bench.put_nowait(store, "a")
        await bench.until(lambda: "locked" in bench.reasons(store))
        count = await store.reject(await bench.lease(store), DropReason.TOO_LARGE, "why")
    await bench.until(lambda: "recovered" in bench.reasons(store))

    letters = await store.dead_letters()

    assert (1, ["why"], 0) == (count, [letter.detail for letter in letters], store.backlog().events)


async def test_a_full_disk_stops_nothing(bench: Bench) -> None:
    """What is in the file goes on being sent from there, and what is not from memory."""
    store = await bench.open()
    await bench.put(store, "ab", size=3_000)
    with full(store):
        bench.put_nowait(store, "cdefgh", size=30_000)
        await bench.until(lambda: "disk full" in bench.reasons(store))
        first = await bench.lease(store, 2)
        second = await bench.lease(store, 2)
        counts = [await store.ack(first), await store.ack(second)]
    await bench.until(lambda: not store.backlog().volatile)

    assert (list("ab"), list("cd"), [2, 2]) == (names(first), names(second), counts)
    assert list("efgh") == names(await bench.lease(store))
    assert [] == bench.hosts[store].losses


async def test_a_folder_that_is_missing_is_waited_for(bench: Bench) -> None:
    """Somebody mounts it later."""
    bench.path = bench.path.parent / "later" / "events.db"
    store = await bench.open()
    bench.put_nowait(store, "a")
    await bench.until(lambda: "cannot open" in bench.reasons(store))

    bench.path.parent.mkdir()
    await bench.until(lambda: not store.backlog().volatile)

    assert ["a"] == names(await bench.lease(store))


async def test_a_disk_that_never_comes_back_costs_what_is_volatile(bench: Bench) -> None:
    """Closing tries until its deadline, and gives up then."""
    bench.path = bench.path.parent / "never" / "events.db"
    store = await bench.open()
    bench.put_nowait(store, "ab")

    assert list("ab") == await bench.close(store, within=0.15)


async def test_nothing_is_leased_from_a_file_that_cannot_be_used(bench: Bench) -> None:
    """Nor does the backlog ask for it, or the engine would never come to rest."""
    store = await bench.open()
    await bench.put(store, "a")
    with locked(bench.path):
        nothing = await store.lease(1, 10**6)
        backlog = store.backlog()

    assert (None, 1, None) == (nothing, backlog.events, backlog.oldest_sequence)


async def test_what_is_in_a_file_that_works_again_waits_to_be_sent(bench: Bench) -> None:
    """Even when nothing of what came meanwhile is left to be committed, and nobody puts anything."""
    store = await bench.open()
    await bench.put(store, "a")
    with locked(bench.path):
        bench.put_nowait(store, "b")
        await bench.until(lambda: "locked" in bench.reasons(store))
        await store.ack(await bench.lease(store))
        hidden = store.backlog().oldest_sequence
    await bench.until(lambda: "recovered" in bench.reasons(store))
    await bench.until(lambda: store.backlog().oldest_sequence is not None)

    assert hidden is None
    assert ["locked", "recovered"] == bench.reasons(store)
    assert ["a"] == names(await bench.lease(store))


# -- closing ------------------------------------------------------------------------------------------


async def test_closing_does_not_wait_for_whoever_keeps_the_file_locked(bench: Bench) -> None:
    """The thread ends in time, and says what it leaves behind, although it waits for others with patience."""
    store = await bench.open()
    store._settings = replace(store._settings, busy_seconds=30.0)
    await bench.close(store)
    await bench.open(store)
    with locked(bench.path):
        bench.put_nowait(store, "a")
        given_up = [name for lease in await store.aclose(0.0) for name in names(lease)]

        assert ["a"] == given_up
        await bench.until(
            lambda: not any(each.name == "aiotracker events.db" for each in threading.enumerate())
        )


async def test_a_disk_that_hangs_keeps_no_more_than_the_thread(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows what becomes of what was being written; all else goes on, and when the disk does, too."""
    disk = Disk(monkeypatch)
    store = await bench.open()
    await bench.put(store, "a")
    with disk.hanging():
        bench.put_nowait(store, "b")
        await bench.until(lambda: disk.is_waited_for)
        bench.put_nowait(store, "c")
        given_up = [name for lease in await store.aclose(0.0) for name in names(lease)]
        left = store.backlog()
        await bench.open(store)
        bench.put_nowait(store, "d")
        await bench.until(lambda: "locked" in bench.reasons(store))
    await bench.until(lambda: not store.backlog().volatile)

    assert (list("bc"), 0) == (given_up, left.volatile)
    await bench.until(lambda: store.backlog().events == 3)
    assert list("abd") == names(await bench.lease(store))
    assert [] == bench.hosts[store].losses


def test_what_a_cancelled_closing_leaves_behind_is_counted_at_exit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when `asyncio.run()` ends a program whose disk hangs."""
    disk, bench = Disk(monkeypatch), Bench(tmp_path / "events.db")
    stores = [bench.make()]

    async def leave() -> None:
        store = await bench.open(stores[0])
        bench.put_nowait(store, "ab")
        await bench.until(lambda: disk.is_waited_for)
        bench.put_nowait(store, "c")
        closing = asyncio.create_task(store.aclose(bench.hosts[store].clock.now() + 60))
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing

    with disk.hanging():
        asyncio.run(leave())
        lost = [stores[0].at_exit(time.monotonic() + 0.05) for _ in range(2)]

    assert [3, 0] == lost


async def test_a_closing_that_was_cancelled_is_brought_to_its_end_by_the_next_opening(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was volatile is told to whoever opens."""
    disk = Disk(monkeypatch)
    store = await bench.open()
    with disk.hanging():
        bench.put_nowait(store, "a")
        await bench.until(lambda: disk.is_waited_for)
        assert store._writer is not None
        store._writer.submit(Ending(None, SystemClock(), time.monotonic() + 60))  # and nobody waits for it

        await bench.open(store)

    assert [(1, DropReason.STORE_ERROR)] == [(each.count, each.reason) for each in bench.hosts[store].losses]
    await bench.put(store, "b")
    await bench.until(lambda: store.backlog().events == 2)  # the thread has written it after all


# -- damage -------------------------------------------------------------------------------------------


async def test_what_is_no_database_is_set_aside(bench: Bench) -> None:
    """And a new file begun; the old one is there to be looked at."""
    bench.path.write_bytes(b"not a database" * 1000)

    store = await bench.open()
    await bench.put(store, "a")

    aside = [each for each in bench.path.parent.iterdir() if ".corrupt-" in each.name]
    assert [b"not a database" * 1000] == [each.read_bytes() for each in aside]
    assert (["damaged"], []) == (bench.reasons(store), bench.hosts[store].losses)
    assert ["a"] == names(await bench.lease(store))


async def test_a_file_that_is_damaged_while_it_is_open_is_set_aside(bench: Bench) -> None:
    """What was committed counts as lost, what is in flight or in memory is not."""
    store = await bench.open()
    await bench.put(store, "abcdefghij", size=30_000)
    await bench.close(store)
    await bench.open(store)
    lease = await bench.lease(store, 2)
    overwrite(bench.path, 100, b"\0" * 290_000)
    bench.put_nowait(store, "k")

    newest = await store.lease(10, 10**6)
    await store.ack(lease.part(0, 1))
    await store.release(lease.part(1, 2))

    assert [(8, DropReason.STORE_ERROR)] == [(each.count, each.reason) for each in bench.hosts[store].losses]
    assert (["k"], ["b"]) == (names(newest), names(await bench.lease(store)))
    assert ["damaged"] == bench.reasons(store)


async def test_few_damaged_files_are_kept(bench: Bench) -> None:
    """A machine whose memory is broken must not fill its disk."""
    for number in range(5):
        bench.path.write_bytes(b"%d" % number * 1000)
        await bench.close(await bench.open())

    aside = sorted(each for each in bench.path.parent.iterdir() if ".corrupt-" in each.name)
    assert [b"2", b"3", b"4"] == [each.read_bytes()[:1] for each in aside]


async def test_of_several_stores_one_sets_a_file_aside(bench: Bench) -> None:
    """The others go on with the new one, and count nothing a second time."""
    bench.busy_seconds = SHARING_SECONDS
    one, other = await bench.open(), await bench.open()
    await bench.put(one, "abc", size=30_000)
    await bench.until(lambda: other.backlog().events == 3)
    with locked(bench.path), closing(sqlite3.connect(bench.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint")
        overwrite(bench.path, 100, b"\0" * 100_000)
    bench.put_nowait(one, "d")
    await bench.until(lambda: any("damaged" in bench.reasons(store) for store in (one, other)))
    await bench.put(one, "e")
    await bench.put(other, "f")

    found = names(await bench.lease(one))
    assert {*"ef"} <= {*found}
    assert 6 == sum(bench.hosts[store].lost_count for store in (one, other)) + len(found)
    assert 1 == len([name for name in beside(bench.path) if ".corrupt-" in name])


@pytest.mark.parametrize("seed", [610576810, 276233168, None], ids=["out of order", "too big", "random"])
def test_damage_anywhere_stops_nothing(tmp_path: Path, seed: int | None) -> None:
    """Bytes at random offsets: the file is set aside, or it is not noticed, and events go on either way."""
    seed = seed or int(os.environ.get("SEED") or random.randrange(10**9))
    print(f"seed {seed}")  # noqa: T201 - repeats the damage
    chance = random.Random(seed)
    sound = tmp_path / "sound.db"

    async def prepare() -> None:
        bench = Bench(sound)
        store = await bench.open()
        for _ in range(5):
            await bench.put(store, "abcdefghij" * 10, size=300)
            await store.reject(await bench.lease(store, 20), DropReason.REJECTED)
        await bench.lease(store, 20)
        await store.aclose(bench.hosts[store].clock.now() + 1)

    async def use(path: Path) -> None:
        bench = Bench(path)
        try:
            store = await bench.open()
        except ConfigurationError as error:
            assert "newer" in str(error)  # noqa: PT017 - a damaged version may look like a later one
            return
        for _ in range(3):  # a damage that is found late takes with it what was put before
            await bench.put(store, "x")
            sizes = []
            while (lease := await store.lease(50, 10**6)) is not None:
                sizes += [record.size_bytes for record in lease.records]
                await store.ack(lease)
            if 150 in sizes:
                break
        else:
            raise AssertionError("what is put does not come out")
        await store.count_dead_letters()
        await bench.finish()

    anyio.run(prepare)
    size = sound.stat().st_size
    for number in range(25):
        path = tmp_path / str(number) / "events.db"
        path.parent.mkdir()
        shutil.copy(sound, path)
        for _ in range(chance.choice([1, 1, 5])):
            offset = chance.choice([chance.randrange(200), chance.randrange(size)])
            overwrite(path, offset, chance.randbytes(chance.choice([1, 4, 600])))
        anyio.run(use, path)


# -- removal ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_a_file_that_was_removed_is_begun_anew(bench: Bench, is_replaced: bool) -> None:  # noqa: FBT001
    """What waited in it is moved, once, by whichever store; what is in flight is settled by its holder."""
    bench.busy_seconds = SHARING_SECONDS
    one, other = await bench.open(), await bench.open()
    await bench.put(one, "abcdefg")
    await one.reject(await bench.lease(one, 1), DropReason.REJECTED, "why")
    taken = await bench.lease(one, 2)
    others = await bench.lease(other, 1)

    remove(bench.path)
    if is_replaced:
        third = await bench.open()
        await bench.put(third, "h")
    await bench.until(lambda: "moved" in bench.reasons(one) and "moved" in bench.reasons(other))
    await one.ack(taken.part(0, 1))
    await one.release(taken.part(1, 2))
    await other.ack(others)
    await bench.put(other, "i")

    def is_settled() -> bool:
        return all(each.backlog().events == 5 + is_replaced for each in (one, other))

    await bench.until(is_settled)
    found = names(await bench.lease(one))
    assert sorted("cefgi" + "h" * is_replaced) == sorted(found)
    assert ["why"] == [letter.detail for letter in await one.dead_letters()]
    assert [] == [loss for host in bench.hosts.values() for loss in host.losses]


async def test_the_log_of_a_file_that_was_removed_is_not_taken_for_that_of_the_next(bench: Bench) -> None:
    """Whoever has the old file open still reads it, whole."""
    store = await bench.open()
    for _ in range(5):
        await bench.put(store, "abcdefghij", size=3_000)

    bench.path.unlink()
    await bench.until(lambda: "moved" in bench.reasons(store))
    for _ in range(5):
        await bench.put(store, "klmnopqrst", size=3_000)
    await bench.until(lambda: store.backlog().events == 100)

    found = names(await bench.lease(store))
    assert sorted(5 * "abcdefghijklmnopqrst") == sorted(found)
    assert [] == bench.hosts[store].losses


async def test_a_removed_file_that_cannot_be_read_costs_what_waited_in_it(bench: Bench) -> None:
    """It is counted, and what is in flight is not."""
    store = await bench.open()
    await bench.put(store, "abcdefghij", size=30_000)
    await bench.close(store)
    await bench.open(store)
    lease = await bench.lease(store, 2)
    overwrite(bench.path, 100, b"\0" * 290_000)  # nobody reads it before it is gone, and it is moved at once
    remove(bench.path)
    await bench.until(lambda: bool(bench.hosts[store].losses))

    assert (8, 2) == (bench.hosts[store].lost_count, await store.ack(lease))
    await bench.put(store, "k")
    assert ["k"] == names(await bench.lease(store))


async def test_records_that_somebody_removed_are_counted(bench: Bench) -> None:
    """A person with a shell: the accounts are made true again."""
    store = await bench.open()
    await bench.put(store, "abc")

    with closing(sqlite3.connect(bench.path)) as connection:
        connection.execute("DELETE FROM ordinary")
        connection.commit()

    await bench.until(lambda: bool(bench.hosts[store].losses))  # told of after the backlog is true again
    assert 0 == store.backlog().events
    assert [(3, DropReason.STORE_ERROR)] == [(each.count, each.reason) for each in bench.hosts[store].losses]


# -- the table ----------------------------------------------------------------------------------------


def sqlite_error(code: int, message: str = "text") -> sqlite3.Error:
    """Return an error as SQLite's."""
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (sqlite_error(5), ("locked", False, False, False)),
        (sqlite_error(5 | 1 << 8), ("locked", False, False, False)),
        (sqlite_error(13), ("disk full", False, False, True)),
        (sqlite_error(8), ("read-only", False, True, False)),
        (sqlite_error(10 | 3 << 8), ("input/output", False, True, True)),
        (sqlite_error(14), ("cannot open", False, True, False)),
        (sqlite_error(11), ("damaged", True, True, False)),
        (sqlite_error(18), ("damaged", True, True, False)),
        (sqlite_error(26), ("damaged", True, True, False)),
        (sqlite_error(1, "no such table: state"), ("damaged", True, True, False)),
        (sqlite_error(1, "near SELECT: syntax error"), ("other", False, True, False)),
        (PermissionError("no"), ("permission", False, True, False)),
        (FileNotFoundError("gone"), ("input/output", False, True, False)),
        (DamagedFileError("odd"), ("damaged", True, True, False)),
        (ConfigurationError("path", "a", "is newer"), ("other file", False, True, False)),
        (KeyError("a defect"), ("other", False, True, False)),
    ],
)
def test_what_an_error_means(error: Exception, expected: tuple[str, bool, bool, bool]) -> None:
    """A reason for the log, and whether to set aside, to open again, or to try with less."""
    trouble = Trouble.of(error)

    found = (trouble.reason, trouble.is_damage, trouble.needs_opening, trouble.concerns_room)
    assert expected == found


def test_only_what_nobody_foresaw_has_a_traceback() -> None:
    """A full disk is no defect."""
    assert [True, False] == [Trouble.of(error).is_known for error in (sqlite_error(13), KeyError("a"))]
