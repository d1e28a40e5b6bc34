"""How long the event loop stands still while events are tracked and the collector takes a second."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any, Final

from benchmarks.speed.rounds import Case

if TYPE_CHECKING:
    from benchmarks.speed.bench import Bench

__all__ = ["measure_stall"]

SLOW: Final = 1.0  # seconds of the sink's answers


def measure_stall(bench: Bench) -> None:
    """Track at a steady rate; opening and closing the tracker are part of it."""
    seconds = 6.0 if bench.plan.is_full else 3.0
    cases = [("ours", 1_000), ("ours-aiohttp", 1_000), ("official", 1_000)]
    if bench.plan.is_full:
        cases += [
            ("official-async", 1_000),
            ("aio-official", 1_000),
            ("ours", 5_000),
            ("ours-aiohttp", 5_000),
        ]
    found: dict[tuple[str, int], list[dict[str, Any]]] = {case: [] for case in cases}  # Any: JSON
    for _ in range(3 if bench.plan.is_full else 1):
        for key, rate in cases:
            case = Case("stall", key, "page_view", do="steady", delay=SLOW)
            # A fresh process: its tracker was never opened, and what it leaves unsent ends with it.
            with bench.fresh(key) as program:
                if program is None:
                    continue
                bench.sink.ask("reset", delay=SLOW)
                reply = bench.ask(program, case, 0, rate=rate, seconds=seconds)
                if reply is not None:
                    found[key, rate].append({**reply, "arrived": bench.sink.ask("count")["distinct"]})
    bench.found["stall"] = [
        {
            "contender": key,
            "rate": rate,
            "seconds": seconds,
            "idle_ms": median(run["idle_seconds"] for run in runs) * 1e3,
            "stall_ms": median(run["stall_seconds"] for run in runs) * 1e3,
            "above_idle_ms": median(run["stall_seconds"] - run["idle_seconds"] for run in runs) * 1e3,
            "offered": sum(run["offered"] for run in runs),
            "refused": sum(run["refused"] for run in runs),
            "arrived": sum(run["arrived"] for run in runs),
            "runs": runs,
        }
        for (key, rate), runs in found.items()
        if runs
    ]
