"""The producer's side alone: construct and track, nothing is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.speed.rounds import Case
from benchmarks.speed.workloads import WORKLOADS

if TYPE_CHECKING:
    from benchmarks.speed.bench import Bench

__all__ = ["measure_making"]

KEYS: Final = ("ours-httpx-500", "official-500", "limit-encoding")
QUICK_WORKLOADS: Final = ("page_view", "visitor_page_view", "structured", "self_describing_1")


def measure_making(bench: Bench) -> None:
    """Compare what `track()` costs its caller, and the least that can be done."""
    for workload in WORKLOADS if bench.plan.is_full else QUICK_WORKLOADS:
        bench.series([Case("making", key, workload, do="make") for key in KEYS])
