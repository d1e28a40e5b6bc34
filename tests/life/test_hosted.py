"""Programs without a loop: what they tracked is delivered when they end, forked or not, and in time."""

import re

import pytest

from tests.faults.collector import Collector
from tests.faults.script import answer, hang
from tests.life.processes import Ended, run_program
from tests.stages import LOOPS

DEADLINE = 5.0  # seconds that closing may take
OVERHEAD = 1.0  # seconds beyond it that the process may take
NOT_SENT = "events were not sent: closing its tracker ran out of time"
EVERY_LOOP = [pytest.param(loop, marks=[] if loop == "asyncio" else pytest.mark.faults) for loop in LOOPS]


def ids(ended: Ended) -> set[str]:
    """Return the ids that a program and its children printed."""
    return set(re.findall(r"id ([0-9a-f-]{36})", ended.out))


def children(ended: Ended) -> list[str]:
    """Return how its children ended."""
    return re.findall(r"child -?\d+", ended.out)


@pytest.mark.parametrize("loop", EVERY_LOOP)
def test_a_script_that_only_tracks_delivers(loop: str) -> None:
    """A name has to be looked up, a connection made and the collector waited for, when main has ended."""
    with Collector(answer(delay=0.3)) as collector:
        by_name = collector.url.replace("127.0.0.1", "localhost")

        ended = run_program("hosted_script", by_name, "plain", loop, 1_000, dev=True)

        assert (0, "") == (ended.code, ended.err)
        assert 1_000 == len(ids(ended))
        assert (ids(ended), 0) == (collector.kept_ids, collector.duplicates)
        assert ended.seconds < DEADLINE


@pytest.mark.parametrize("loop", EVERY_LOOP)
@pytest.mark.parametrize("how", ["thread", "pool"])
def test_threads_that_outlive_the_main_one_deliver(collector: Collector, how: str, loop: str) -> None:
    """The tracker is closed when they have ended, and not before."""
    ended = run_program("hosted_script", collector.url, how, loop)

    assert (0, "") == (ended.code, ended.err)
    assert (20, ids(ended)) == (len(ids(ended)), collector.kept_ids)


@pytest.mark.parametrize("loop", EVERY_LOOP)
def test_forked_children_deliver_their_own(collector: Collector, loop: str) -> None:
    """Children of a parent whose threads track open the tracker for themselves; nothing comes twice."""
    ended = run_program("hosted_script", collector.url, "fork", loop)

    assert (0, 3 * ["child 0"]) == (ended.code, children(ended)), ended.err
    assert 40 < len(ids(ended))
    assert (ids(ended), 0) == (collector.kept_ids, collector.duplicates)


@pytest.mark.faults
def test_processes_of_multiprocessing_deliver_their_own(collector: Collector) -> None:
    """Although they end without Python's exit hooks."""
    ended = run_program("hosted_script", collector.url, "multiprocessing")

    assert (0, 2 * ["child 0"]) == (ended.code, children(ended)), ended.err
    assert (30, ids(ended), 0) == (len(ids(ended)), collector.kept_ids, collector.duplicates)


@pytest.mark.faults
def test_a_block_delivers_before_the_end(collector: Collector) -> None:
    """Nothing is left to do for the end of the interpreter."""
    ended = run_program("hosted_script", collector.url, "closed")

    assert (0, "") == (ended.code, ended.err)
    assert ids(ended) == collector.kept_ids


@pytest.mark.faults
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("how", ["plain", "thread"])
def test_a_collector_that_hangs_cannot_hold_the_program(how: str, loop: str) -> None:
    """At the deadline the program ends, and says how many events it could not send."""
    with Collector(hang()) as collector:
        ended = run_program("hosted_script", collector.url, how, loop)

        assert (0, f"aiotracker: {len(ids(ended))} {NOT_SENT}\n") == (ended.code, ended.err)
        assert DEADLINE <= ended.seconds < DEADLINE + OVERHEAD


@pytest.mark.faults
def test_a_dead_collector_is_told_of(collector: Collector) -> None:
    """A refused connection is tried again until the deadline; then the program says what it lost."""
    with Collector() as gone:
        url = gone.url

    ended = run_program("hosted_script", url, "plain")

    assert f"10 {NOT_SENT}" in ended.err
    assert ended.seconds < DEADLINE + OVERHEAD
