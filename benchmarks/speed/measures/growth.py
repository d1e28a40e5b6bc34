"""Whether an event costs the same, however many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.speed.rounds import Case

if TYPE_CHECKING:
    from benchmarks.speed.bench import Bench

__all__ = ["measure_growth"]

ROUNDS: Final = {1_000: 9, 10_000: 5, 100_000: 2, 1_000_000: 1, 10_000_000: 1}
"""Rounds of each size: fewer of those that average by themselves."""


def measure_growth(bench: Bench) -> None:
    """Deliver ten times as many events again and again."""
    keys = ("ours-httpx-500", "ours-aiohttp-500") if bench.plan.is_full else ("ours-httpx-500",)
    for events, rounds in ROUNDS.items():
        if events <= bench.plan.largest:
            cases = [Case("growth", key, "page_view", events=events) for key in keys]
            if bench.plan.is_full:
                bench.series(cases, rounds=rounds, more=2 if rounds > 1 else 0)
            else:
                bench.series(cases, rounds=min(rounds, 200_000 // events), more=0)
