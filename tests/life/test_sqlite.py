"""An SQLite file that processes share, and what becomes of it when one of them dies, forks or may not."""

import os
import random
import time
from pathlib import Path

import anyio
import pytest

from aiotracker import SQLiteStore
from aiotracker.testing import RecordingHost
from aiotracker.testing.records import LARGE, names
from tests.life.processes import Ended, Program, run_program

LEASE_SECONDS = 1.0
NOBODY = 65534


def program(deed: str, path: Path, *arguments: object, lease_seconds: float = 30.0) -> Program:
    """Start a process on a file."""
    return Program("sqlite_process", deed, path, lease_seconds, *arguments)


def told(ended: Ended, head: str) -> list[str]:
    """Return the words after every line that begins with a word."""
    assert ended.code in (0, -9), ended.err
    lines = [line.split() for line in ended.out.splitlines()]
    return [word for line in lines if line[:1] == [head] for word in line[1:]]


async def drained(path: Path) -> list[str]:
    """Return the names of all that a file holds and that is not leased."""
    host = RecordingHost()
    store = SQLiteStore(path)
    await store.open(host)
    found: list[str] = []
    while (lease := await store.lease(1_000, LARGE)) is not None:
        found += names(lease)
        await store.ack(lease)
    await store.aclose(host.clock.now() + 5)
    return found


def test_processes_that_share_a_file_send_each_event_once(tmp_path: Path) -> None:
    """Two that put and two that drain: nothing is lost, and nothing is sent twice."""
    path = tmp_path / "events.db"
    drains = [program("drain", path) for _ in range(2)]
    fills = [program("fill", path, name, 300) for name in "ab"]

    safe = [name for fill in fills for name in told(fill.end(), "safe")]
    (tmp_path / "stop").touch()
    sent = [name for drain in drains for name in told(drain.end(), "sent")]

    assert 600 == len(safe)
    assert sorted(safe) == sorted(sent)


def test_the_leases_of_a_killed_process_come_back_in_time(tmp_path: Path) -> None:
    """After as long as a lease lasts, and a second at most."""
    path = tmp_path / "events.db"
    run_program("sqlite_process", "fill", path, 30, "a", 20)
    holder = program("hold", path, 10, lease_seconds=LEASE_SECONDS)
    holder.wait_for("holding 10")

    async def wait() -> tuple[int, float, list[str]]:
        host = RecordingHost()
        store = SQLiteStore(path)
        await store.open(host)
        await anyio.sleep(LEASE_SECONDS)  # it is renewed as long as its holder lives
        before = store.backlog().events
        killed_at = time.monotonic()
        holder.send(9)  # type: ignore[arg-type]  # a signal's number does
        while store.backlog().events < 20:  # noqa: ASYNC110 - nobody tells of it
            await anyio.sleep(0.01)
        seconds = time.monotonic() - killed_at
        lease = await store.lease(LARGE, LARGE)
        await store.aclose(host.clock.now() + 5)
        return before, seconds, names(lease)

    before, seconds, found = anyio.run(wait)

    assert [f"a-{number}" for number in range(20)] == found
    assert 10 == before
    assert seconds < LEASE_SECONDS + 1.0
    holder.end()


@pytest.mark.parametrize(
    "rounds", [pytest.param(3, id="few"), pytest.param(200, id="many", marks=pytest.mark.faults)]
)
@pytest.mark.timeout(600)
def test_what_is_safe_survives_a_kill(tmp_path: Path, rounds: int) -> None:
    """At random moments, with a checkpoint or without: what was told to be safe is there."""
    seed = random.randrange(10**9)
    print(f"seed {seed}")  # noqa: T201 - repeats the moments
    chance = random.Random(seed)
    for number in range(rounds):
        path = tmp_path / f"{number}.db"
        writer = program("fill", path, "a", 100_000)
        writer.wait_for("safe a-0 a-1 a-2 a-3 a-4 a-5 a-6 a-7 a-8 a-9")
        time.sleep(chance.uniform(0.0, 0.3))
        writer.send(9)  # type: ignore[arg-type]  # as above
        safe = [f"a-{first}" for first in range(10)] + told(writer.end(), "safe")

        found = anyio.run(drained, path)

        assert {*safe} <= {*found}
        assert len(found) == len({*found})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_children_come_and_go_while_a_file_is_in_use(tmp_path: Path) -> None:
    """Whether they leave, exit or open the file anew, the parent loses nothing and notices nothing."""
    ended = run_program("sqlite_process", "fork", tmp_path / "events.db", 30)

    assert ["0"] * 4 == told(ended, "child"), ended.err
    put, _, *found = told(ended, "put")
    assert [int(put) + 2, 2, int(put) + 1] == [int(number) for number in found]
    assert [] == told(ended, "reasons")
    assert ["events.db"] == [each.name for each in tmp_path.iterdir()]
    assert ["late"] == anyio.run(drained, tmp_path / "events.db")


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    ("is_there", "mode", "reason"),
    [(True, 0o755, "read-only"), (False, 0o755, "cannot open"), (True, 0o700, "cannot open")],
    ids=["file", "folder", "hidden"],
)
def test_without_permission_events_are_sent_from_memory(
    tmp_path: Path,
    is_there: bool,  # noqa: FBT001 - drawn
    mode: int,
    reason: str,
) -> None:
    """On a file, or in a folder, that may not be written, or not even looked into."""
    place = tmp_path / "place"
    place.mkdir()
    path = place / "events.db"
    if is_there:
        run_program("sqlite_process", "fill", path, 30, "b", 10)
        path.chmod(0o444)
    for folder in place.parents:
        if folder.stat().st_mode & 0o777 == 0o700:  # pytest's, which hides them from other users
            folder.chmod(0o755)
    place.chmod(mode)

    ended = run_program("sqlite_process", "denied", path, 30, NOBODY)

    assert reason == " ".join(told(ended, "reason")), ended.err
    assert (["a"], ["up", "0"]) == (told(ended, "sent"), told(ended, "given"))
