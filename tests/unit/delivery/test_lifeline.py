"""An open emitter whose process forks or ends: what is sent, what is counted, what is left alone."""

import os
import time

import pytest

from aiotracker import Emitter, MemoryStore, Tracker
from aiotracker.delivery.statistics import Ledger
from aiotracker.runtime import forget_process
from tests.fakes.bench import TrackWith
from tests.fakes.transport import Hang


class Durable(MemoryStore):
    """A store that claims to survive the process."""

    @property
    def is_durable(self) -> bool:
        """Claim it."""
        return True

    def at_exit(self, by: float) -> int:
        """Have nothing that is not safe."""
        return 0


async def test_what_cannot_be_sent_at_exit_is_counted(track_with: TrackWith) -> None:
    """With a transport of the user's own nothing is sent at exit; the events are counted as lost."""
    bench = await track_with(default=Hang())
    bench.is_exact = False
    await bench.track("waiting", "too")
    lifeline = bench.emitter._opened().lifeline

    lost = lifeline.at_exit(time.monotonic() + 1)

    assert 2 == lost
    assert {"shutdown_deadline": 2} == bench.tracker.stats().dropped
    assert [] == bench.transport.sent


async def test_a_durable_store_loses_nothing_at_exit(track_with: TrackWith) -> None:
    """What survives the process is left where it is, and is no loss."""
    bench = await track_with(event_store=Durable(), default=Hang())
    await bench.track("waiting")
    lifeline = bench.emitter._opened().lifeline

    lost = lifeline.at_exit(time.monotonic() + 1)

    assert (0, 1) == (lost, bench.tracker.stats().buffered)


async def test_a_second_end_of_the_process_finds_nothing(track_with: TrackWith) -> None:
    """What was counted as lost is not counted again."""
    bench = await track_with(default=Hang())
    await bench.track("waiting")
    lifeline = bench.emitter._opened().lifeline

    lost = [lifeline.at_exit(time.monotonic() + 1) for _ in range(2)]

    assert [1, 0] == lost


async def test_a_child_forgets_what_the_parent_has(
    track_with: TrackWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a fork the child's store is empty and its books say `forked`; its exit sends nothing."""
    bench = await track_with(default=Hang())
    bench.is_exact = False
    await bench.track("parent's")
    lifeline = bench.emitter._opened().lifeline
    real = os.getpid()

    monkeypatch.setattr(os, "getpid", lambda: real + 1)
    lifeline.after_fork()
    in_child = (lifeline.is_forked, lifeline.at_exit(time.monotonic() + 1))
    monkeypatch.undo()

    assert (True, 0) == in_child
    assert {"forked": 1} == bench.tracker.stats().dropped
    assert 0 == bench.emitter.event_store.backlog().events


async def test_a_fork_that_nobody_told_of_is_noticed_at_the_next_opening(
    track_with: TrackWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no hook runs (uWSGI), the child's opening drops what it inherited, once."""
    bench = await track_with(default=Hang())
    bench.is_exact = False
    await bench.track("parent's")
    parents = bench.emitter._opened()
    real = os.getpid()

    monkeypatch.setattr(os, "getpid", lambda: real + 1)
    await bench.tracker.open()
    await bench.track("child's")
    monkeypatch.undo()
    forget_process(parents.lifeline)  # it has no process of its own in which it could end

    stats = bench.tracker.stats()
    assert ({"forked": 1}, 2, 1) == (stats.dropped, stats.accepted, stats.buffered)


def test_a_fork_between_two_accounts_leaves_exact_books() -> None:
    """A fork that catches another thread half-way through a booking cannot unbalance the child's books."""
    ledger = Ledger()
    for _ in range(3):
        ledger.accept()
    ledger.lease(2)
    ledger._accepted += 1  # the thread that accepted an event had come no further
    ledger._in_flight -= 1  # and another had begun to book a delivery

    ledger.after_fork()

    stats = ledger.snapshot()
    assert (4, {"forked": 4}, 0, 0) == (stats.accepted, stats.dropped, stats.buffered, stats.in_flight)


def test_a_lock_that_was_held_at_the_fork_is_a_new_one() -> None:
    """Whoever held a lock does not exist in the child, so nobody would ever release it."""
    ledger = Ledger()
    store = MemoryStore()
    ledger._lock.acquire()
    store._lock.acquire()

    ledger.after_fork()
    store.after_fork()

    assert 0 == ledger.snapshot().accepted
    assert store.reserve(10)


async def test_a_closed_emitter_is_not_watched() -> None:
    """After closing, the end of the process is none of the emitter's business."""
    from aiotracker import runtime

    before = dict(runtime._watchers)
    emitter = Emitter("https://collector.acme.com")
    async with Tracker("closed", emitter):
        watched = len(runtime._watchers) - len(before)

    assert 1 == watched
    assert before == runtime._watchers
