"""What a queued event holds in memory, and what it takes to fill and drain a million."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.speed.rounds import Case

if TYPE_CHECKING:
    from benchmarks.speed.bench import Bench

__all__ = ["measure_memory"]

MILLION: Final = 1_000_000
PATIENCE_SECONDS: Final = 600.0


def measure_memory(bench: Bench) -> None:
    """Fill a buffer in a fresh process; in the full run drain a million from it, too."""
    events = 200_000 if bench.plan.is_full else 50_000
    workloads = ("page_view", "structured", "self_describing_1") if bench.plan.is_full else ("page_view",)
    bench.found["memory"] = []
    bench.found["million"] = []
    for workload in workloads:
        for key in ("ours-httpx-500", "official-500"):
            _hold(bench, "memory", Case("memory", key, workload, do="hold"), events, collector="")
    if bench.plan.is_full:
        for key in ("ours-httpx-500", "ours-aiohttp-500"):
            _hold(
                bench, "million", Case("million", key, "page_view", do="hold"), MILLION, collector=bench.url
            )


def _hold(bench: Bench, kind: str, case: Case, events: int, collector: str) -> None:
    bench.sink.ask("reset")
    with bench.fresh(case.contender) as program:
        if program is None:
            return
        reply = bench.ask(
            program, case, events, collector=collector, timeout=PATIENCE_SECONDS, patience=PATIENCE_SECONDS
        )
    if reply is None:
        return
    found = {"contender": case.contender, "workload": case.workload, **reply}
    if collector:
        found["arrived"] = bench.sink.ask("count")["distinct"]
    found["bytes_per_event"] = reply["held_bytes"] / reply["events"]
    found["bytes_above_payload"] = found["bytes_per_event"] - reply["payload_bytes"]
    bench.found[kind].append(found)
