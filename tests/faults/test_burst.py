"""More events at once than the buffer holds, over a slow line."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.faults.collector import Collector
from tests.faults.conftest import FaultReport
from tests.faults.programs.launch import ROOT, command
from tests.faults.script import answer
from tests.faults.sizes import quick_and_full
from tests.stages import Stage

ROUND_TRIP_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Burst:
    """A burst and its limits.

    Attributes:
        events: tracked by one task, without a pause.
        seconds: until all are delivered, opening and closing included.
        stall_ms: that the loop may stand still beyond what it does at rest.
        idle_seconds: of rest before.
        runs: of the program; the other work of a machine only lengthens a stall, so the calmest counts.
    """

    events: int
    seconds: float
    stall_ms: float
    idle_seconds: float
    runs: int


QUICK: Final = Burst(12_000, 60, stall_ms=1_000, idle_seconds=0.2, runs=1)
FULL: Final = Burst(50_000, 10, stall_ms=10, idle_seconds=1, runs=3)


@pytest.mark.in_memory("its bound is that of memory, and its program builds emitters of its own")
@quick_and_full("burst", QUICK, FULL)
def test_a_burst_loses_nothing_and_leaves_the_loop_alone(
    stage: Stage, burst: Burst, fault_report: FaultReport
) -> None:
    """50,000 events at 50 ms round trip: all delivered within 10 s, no stall above 10 ms.

    The buffer is never above its bound; a stall is counted beyond the longest one of the idle loop.
    """
    runs = [measured(stage, burst) for _ in range(burst.runs)]

    slowest = max(runs, key=lambda run: run["seconds"])
    calmest = min(runs, key=stall_ms)
    assert slowest["seconds"] < burst.seconds
    assert stall_ms(calmest) <= burst.stall_ms
    fault_report(
        "50,000 events from one task at a round trip of 50 ms",
        reaction="lets `track()` wait for room in the buffer",
        bound="all delivered within 10 s, at most 10,000 held",
        figure=f"{slowest['delivered']:,} in {slowest['seconds']:.1f} s, {slowest['requests']} requests",
    )
    fault_report(
        "the longest stall of the event loop meanwhile, opening included, the heap of the host frozen",
        reaction="yields at least every 32 events, imports and prepares in a thread",
        bound="at most 10 ms above the idle loop",
        figure=f"{max(stall_ms(calmest), 0):.1f} ms above {calmest['idle_ms']:.1f} ms",
    )


def measured(stage: Stage, burst: Burst) -> dict[str, Any]:
    """Run the program once; check what must hold in every run, and return what it measured."""
    with Collector(answer(delay=ROUND_TRIP_SECONDS)) as collector:
        program = command("burst", stage, collector.url, str(burst.events), str(burst.idle_seconds))
        output = subprocess.check_output(program, cwd=ROOT, timeout=120)
        run: dict[str, Any] = json.loads(output)

        assert burst.events == len(collector.kept_ids)
    assert 0 == collector.duplicates
    assert burst.events == run["delivered"] == run["offered"]
    assert {} == run["refused"] == run["dropped"]
    assert run["is_complete"]
    assert run["most_held"] <= 10_000
    return run


def stall_ms(run: dict[str, Any]) -> float:
    """Return the longest stall of a run in milliseconds, beyond the longest of its idle loop."""
    return float(max(run["opening_ms"], run["burst_ms"]) - run["idle_ms"])
