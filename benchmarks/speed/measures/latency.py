"""`track()` as its caller sees it: how long single calls take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.speed.rounds import Case

if TYPE_CHECKING:
    from benchmarks.speed.bench import Bench

__all__ = ["measure_latency"]

KEYS: Final = ("ours", "ours-aiohttp", "official", "official-10", "official-async", "aio-official")
PEERS: Final = ("posthog", "posthog-async", "segment")


def measure_latency(bench: Bench) -> None:
    """Time single calls, near to and far from the collector, alone and in a crowd."""
    keys = (*KEYS, *PEERS) if bench.plan.is_full else ("ours", "official")
    for delay in (0.0, 0.05):
        for producers in (1, 10, 100) if bench.plan.is_full else (1,):
            cases = [
                Case("latency", key, "page_view", producers=producers, delay=delay, latencies=True)
                for key in keys
            ]
            bench.series(cases, rounds=3)
