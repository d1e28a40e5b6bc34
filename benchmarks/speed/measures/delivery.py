"""Events a second and processor time per event, from construction to the collector's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.speed.rounds import Case
from benchmarks.speed.workloads import WORKLOADS

if TYPE_CHECKING:
    from benchmarks.speed.bench import Bench

__all__ = ["measure_delivery", "measure_languages"]

SAME: Final = (
    "ours-httpx-500",
    "ours-aiohttp-500",
    "official-500",
    "ours-httpx-10",
    "ours-aiohttp-10",
    "official-10",
)
"""Pairs that differ in the tracker alone: keep-alive, batch size and base64 are the same."""

VARIANTS: Final = (
    "ours-httpx-100",
    "ours-aiohttp-100",
    "ours-httpx-500-uvloop",
    "ours-aiohttp-500-uvloop",
    "official-10-logs",
    "official-async-500",
    "aio-official",
)
"""Left out of the quick table."""

VISITOR: Final = "visitor_page_view"
QUICK_WORKLOADS: Final = (VISITOR, "structured", "self_describing_1")
"""Beside page views with the tracker's subject."""

FASTEST: Final = "ours-aiohttp-500"
FAR: Final = 0.05  # seconds to a collector that is not on this machine
ROUND_SECONDS: Final = 1.0  # a JVM tells its processor time in steps of 10 ms
PREPARED: Final = 50_000  # events
MANY: Final = (10, 100)  # producers


def measure_delivery(bench: Bench) -> None:
    """Let everybody deliver page views; let those with the same settings deliver the rest, too.

    In the full run everybody delivers the rest, but for page views with a subject each: a mix has them.
    """
    unwanted = {"limit-encoding"} if bench.plan.is_full else {"limit-encoding", *VARIANTS}
    everybody = [key for key in bench.keys() if key not in unwanted]  # noqa: SIM118 - no mapping
    bench.series([*(delivering(key, "page_view") for key in everybody), encoding("page_view")])
    for workload in WORKLOADS[1:] if bench.plan.is_full else QUICK_WORKLOADS:
        keys = everybody if bench.plan.is_full and workload != VISITOR else SAME
        rounds = min(bench.plan.rounds, 5)
        bench.series([*(delivering(key, workload) for key in keys), encoding(workload)], rounds=rounds)
    far = everybody if bench.plan.is_full else ["ours", "official"]
    bench.series([delivering(key, "page_view", delay=FAR) for key in far], rounds=3)
    if bench.plan.is_full:
        for producers in MANY:
            for delay in (0.0, FAR):
                bench.series(
                    [
                        delivering(key, "page_view", producers=producers, delay=delay)
                        for key in everybody
                        if key != "limit-sending"  # which has no producers
                    ],
                    rounds=3,
                )


def delivering(key: str, workload: str, *, producers: int = 1, delay: float = 0.0) -> Case:
    """Return a case of delivery; one of prepared requests has a fixed size, because preparing takes long."""
    events = PREPARED if key == "limit-sending" else 0
    return Case("delivery", key, workload, producers=producers, delay=delay, events=events)


def encoding(workload: str) -> Case:
    """Return what delivery is compared with: nothing is sent, the payloads are only made."""
    return Case("delivery", "limit-encoding", workload, do="make")


def measure_languages(bench: Bench, keys: list[str]) -> None:
    """Let the trackers of other languages deliver beside ours."""
    for workload in WORKLOADS:
        bench.series(
            [Case("languages", key, workload) for key in (FASTEST, "ours-httpx-500", *keys)],
            rounds=5,
            seconds=ROUND_SECONDS,
        )
