"""Fifty thousand events from one task, five times what the buffer holds, to a collector 50 ms away."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from benchmarks.speed.rounds import Case

if TYPE_CHECKING:
    from benchmarks.speed.bench import Bench

__all__ = ["measure_burst"]

EVENTS: Final = 50_000


def measure_burst(bench: Bench) -> None:
    """Track without a pause, at the defaults."""
    bench.found["burst"] = []
    for key in ("ours", "ours-aiohttp"):
        case = Case("burst", key, "page_view", delay=0.05, events=EVENTS)
        for _ in range(3 if bench.plan.is_full else 1):
            played = bench.play(case)
            if played is not None:
                bench.found["burst"].append({"contender": key, **asdict(played)})
