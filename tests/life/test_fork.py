"""A fork divides nothing: the parent's events are the parent's, and a child begins with none."""

import re

import pytest

from tests.faults.collector import Collector
from tests.faults.script import answer
from tests.life.processes import Ended, run_program
from tests.stages import Stage


def ids(ended: Ended) -> list[str]:
    """Return the ids that parent and children printed."""
    return re.findall(r"id ([0-9a-f-]{36})", ended.out)  # lines of several processes may run together


def children(ended: Ended) -> list[str]:
    """Return how the children ended."""
    return re.findall(r"child -?\d+", ended.out)


@pytest.mark.parametrize(
    "how", ["plain", *(pytest.param(how, marks=pytest.mark.faults) for how in ("outside", "flushing"))]
)
def test_parent_and_child_deliver_their_own(stage: Stage, how: str) -> None:
    """Ten events of each arrive, none twice, whatever the parent was doing when it forked."""
    with Collector(answer(delay=0.3)) as collector:
        ended = run_program("forks", stage, collector.url, how)

        assert ["child 0"] == children(ended), ended.err
        assert (0, 21 if how == "plain" else 20) == (ended.code, len(ids(ended)))
        assert (set(ids(ended)), 0) == (collector.kept_ids, collector.duplicates)
        assert "open it again in the child" in ended.out
        assert "books 0 0 0" in ended.out


@pytest.mark.faults
def test_a_fork_while_threads_track_hangs_nobody(collector: Collector, stage: Stage) -> None:
    """Locks that other threads held at the fork stop no child, and no id comes twice."""
    ended = run_program("forks", stage, collector.url, "threads")

    assert 5 * ["child 0"] == children(ended), ended.err
    assert 5 == ended.out.count("books 0 0 0")
    assert 0 == ended.code
    assert len(ids(ended)) == len(set(ids(ended)))
    assert (set(ids(ended)), 0) == (collector.kept_ids, collector.duplicates)


def test_the_end_of_a_child_sends_nothing_of_the_parent(collector: Collector, stage: Stage) -> None:
    """A child that never opened the tracker ends in silence; the parent sends its events at its own end."""
    ended = run_program("forks", stage, collector.url, "silent")

    assert (0, "", ["child 0"]) == (ended.code, ended.err, children(ended))
    assert 10 == len(ids(ended))
    assert (set(ids(ended)), 0) == (collector.kept_ids, collector.duplicates)
