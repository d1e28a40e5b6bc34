"""What a tracker leaves behind: nothing, however often it is opened and however it is forgotten."""

import gc
import sys
import warnings
import weakref

import pytest

from aiotracker import Emitter, Tracker
from tests.fakes.bench import view
from tests.fakes.clock import FakeClock, settle
from tests.fakes.transport import FakeTransport
from tests.faults.collector import Collector
from tests.life.processes import run_program
from tests.stages import Stage


@pytest.mark.skipif(sys.platform != "linux", reason="counts by /proc")
@pytest.mark.parametrize(
    "cycles",
    [
        pytest.param(50, id="quick"),
        pytest.param(1_000, id="full", marks=(pytest.mark.faults, pytest.mark.timeout(180))),
    ],
)
def test_opening_and_closing_leaves_nothing_behind(collector: Collector, stage: Stage, cycles: int) -> None:
    """No thread, descriptor or task stays, and 1,000 openings cost less than 2 MB."""
    ended = run_program("cycles", stage, collector.url, cycles)

    threads, descriptors, tasks, kib = map(int, ended.out.split()[1:])
    assert (0, 0, 0) == (threads, descriptors, tasks)
    assert kib < 2_000


async def test_a_forgotten_tracker_warns_and_its_engine_drains() -> None:
    """Collecting an open tracker shows where it was made, and what it had accepted still arrives."""
    clock = FakeClock()
    transport = FakeTransport(clock)
    emitter = Emitter("https://c.acme.com", transport=transport)
    tracker = Tracker("forgotten", emitter, clock=clock)
    await tracker.open()
    for number in range(20):
        await tracker.track(view(number))
    gone = weakref.ref(tracker)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del tracker
        gc.collect()
    (warning,) = [str(w.message) for w in caught if issubclass(w.category, ResourceWarning)]
    caught.clear()  # a warning holds its source
    await settle()

    assert gone() is None
    assert "20 events were waiting" in warning
    assert __file__ in warning
    assert (20, 20) == (emitter.stats().delivered, len(transport.delivered_ids))
    assert emitter.task.finished.is_set()


async def test_a_closed_tracker_dies_with_its_last_name() -> None:
    """No cycle, registry or task keeps a closed tracker or its emitter: they go without the collector."""
    clock = FakeClock()
    emitter = Emitter("https://c.acme.com", transport=FakeTransport(clock))
    tracker = Tracker("closed", emitter, clock=clock)
    async with tracker:
        await tracker.track(view("home"))
    await settle()
    gone: list[weakref.ref[object]] = [weakref.ref(tracker), weakref.ref(emitter)]

    gc.disable()
    try:
        del tracker, emitter
        alive = [reference() is not None for reference in gone]
    finally:
        gc.enable()

    assert [False, False] == alive
