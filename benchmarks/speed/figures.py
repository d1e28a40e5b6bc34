"""The goals, and whether they are reached: from the results of a run to a table. Pure.

A ratio compares medians of one run. Where several transports are shipped, "fastest" is the one that takes
the least processor time for page views with the tracker's subject in batches of 500. Both ways of page views
have goals of processor time; all other goals of page views are judged with the tracker's subject.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["ONE", "PAGE", "STRUCTURED", "VISITOR", "WORDS", "Figure", "Results", "figures"]

TRANSPORTS: Final = ("httpx", "aiohttp")
LANGUAGES: Final = ("java", "rust", "node")

PAGE: Final = "page_view"
VISITOR: Final = "visitor_page_view"
STRUCTURED: Final = "structured"
ONE: Final = "self_describing_1"
WORDS: Final = {
    PAGE: "page view (the tracker's subject)",
    VISITOR: "page view (a subject each)",
    STRUCTURED: "structured",
    ONE: "self-describing, one entity",
    "self_describing_2": "self-describing, two entities",
    "mix": "mix",
}

BATCH_GOALS: Final[Mapping[int, Mapping[str, tuple[float, float]]]] = {
    500: {PAGE: (0.45, 0.33), VISITOR: (0.45, 0.33), STRUCTURED: (0.45, 0.33), ONE: (0.30, 0.25)},
    10: {PAGE: (0.9, 0.4), VISITOR: (0.9, 0.4)},
}
"""Shares of the official tracker's time by size of a batch and workload: over httpx, over the fastest."""

BURST_EVENTS: Final = 50_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table of goals.

    Attributes:
        key: by which an explanation names it.
        measure: what is measured, in words.
        goal: in words.
        reached: in words; empty when it was not measured.
        is_met: None when it was not measured.
    """

    key: str
    measure: str
    goal: str
    reached: str
    is_met: bool | None


class Results:
    """What a run found, to be asked.

    Attributes:
        found: the JSON of the run.
    """

    def __init__(self, found: Mapping[str, Any]) -> None:  # Any: JSON
        """Read the results of a run."""
        self.found = found
        self._series = {
            (
                entry["measure"],
                entry["contender"],
                entry["workload"],
                entry["producers"],
                entry["delay"],
                entry["events"] if entry["measure"] == "growth" else 0,
            ): entry
            for entry in found["series"]
        }

    def entry(
        self,
        measure: str,
        contender: str,
        workload: str,
        *,
        producers: int = 1,
        delay: float = 0.0,
        events: int = 0,
    ) -> Mapping[str, Any] | None:  # Any: JSON
        """Return a series; None when it was not played."""
        return self._series.get((measure, contender, workload, producers, delay, events))

    def cpu_us(self, measure: str, contender: str, workload: str) -> float | None:
        """Return the median processor time per event in microseconds."""
        entry = self.entry(measure, contender, workload)
        return None if entry is None else float(entry["cpu_us"]["median"])

    def rate(self, contender: str, workload: str, delay: float = 0.0) -> float | None:
        """Return the median of events a second."""
        entry = self.entry("delivery", contender, workload, delay=delay)
        return None if entry is None else float(entry["rate"]["median"])

    def fastest(self) -> str:
        """Return the transport that costs least."""
        costs = {
            name: cost
            for name in TRANSPORTS
            for measure in ("languages", "delivery")
            if (cost := self.cpu_us(measure, f"ours-{name}-500", PAGE)) is not None
        }
        return min(costs, key=costs.__getitem__, default=TRANSPORTS[0])


def figures(results: Results) -> list[Figure]:
    """Return the table of goals."""
    return [
        *_throughput(results),
        *_batches(results),
        *_making(results),
        *_encoding(results),
        *_other_languages(results),
        *_stall(results),
        *_burst(results),
        *_memory(results),
        *_imports(results),
    ]


# -- one kind of goal each ----------------------------------------------------------------------------


def _throughput(results: Results) -> Iterator[Figure]:
    for delay, place in ((0.0, "a collector that answers at once"), (0.05, "50 ms away")):
        yield _ratio(
            f"rate-{delay:g}",
            f"delivered events/s, {WORDS[PAGE]}, defaults against `Emitter` defaults, {place}",
            results.rate("ours", PAGE, delay),
            results.rate("official", PAGE, delay),
            20.0,
            at_least=True,
        )


def _batches(results: Results) -> Iterator[Figure]:
    fastest = results.fastest()
    for size, goals in BATCH_GOALS.items():
        for workload, (by_httpx, by_fastest) in goals.items():
            for kind, transport, goal, words in (
                ("httpx", "httpx", by_httpx, "httpx"),
                ("fastest", fastest, by_fastest, f"fastest transport: {fastest}"),
            ):
                yield _ratio(
                    f"cpu-{size}-{workload}-{kind}",
                    f"CPU per event, batch {size} both, {WORDS[workload]}, {words}",
                    results.cpu_us("delivery", f"ours-{transport}-{size}", workload),
                    results.cpu_us("delivery", f"official-{size}", workload),
                    goal,
                )


def _making(results: Results) -> Iterator[Figure]:
    for workload, goal in ((STRUCTURED, 0.5), (ONE, 0.33)):
        yield _ratio(
            f"making-{workload}",
            f"construct + `track()`, nothing sent, {WORDS[workload]}",
            results.cpu_us("making", "ours-httpx-500", workload),
            results.cpu_us("making", "official-500", workload),
            goal,
        )


def _encoding(results: Results) -> Iterator[Figure]:
    fastest = results.fastest()
    for workload in (PAGE, VISITOR, STRUCTURED, ONE):
        yield _ratio(
            f"encoding-{workload}",
            f"end-to-end CPU against construct + id + encoding, {WORDS[workload]}, {fastest}",
            results.cpu_us("delivery", f"ours-{fastest}-500", workload),
            results.cpu_us("delivery", "limit-encoding", workload),
            1.8,
        )


def _other_languages(results: Results) -> Iterator[Figure]:
    fastest = results.fastest()
    goals = {
        ("java", PAGE): 1.0,
        ("java", VISITOR): 1.0,
        ("rust", PAGE): 1.5,
        ("rust", VISITOR): 1.5,
        ("java", ONE): 1.2,
        ("rust", ONE): 1.2,
    }
    for (language, workload), goal in goals.items():
        ours = results.cpu_us("languages", f"ours-{fastest}-500", workload)
        if ours is None:
            ours = results.cpu_us("delivery", f"ours-{fastest}-500", workload)
        yield _ratio(
            f"languages-{language}-{workload}",
            f"CPU per event against {language.capitalize()}, batch 500, {WORDS[workload]}, {fastest}",
            ours,
            results.cpu_us("languages", language, workload),
            goal,
        )


def _stall(results: Results) -> Iterator[Figure]:
    runs = {(run["contender"], run["rate"]): run for run in results.found.get("stall", [])}
    ours = runs.get(("ours", 1_000))
    official = runs.get(("official", 1_000))
    reached, is_met = "", None
    if ours is not None:
        stall = f"{ours['above_idle_ms']:.1f} ms above idle ({ours['stall_ms']:.1f} ms)"
        reached = f"{stall}, {ours['refused']:,} refused"
        if official is not None:
            reached += f"; official `Emitter`: {official['stall_ms']:,.0f} ms"
        is_met = ours["above_idle_ms"] <= 10.0 and ours["refused"] == 0  # noqa: PLR2004 - the goal
    yield Figure(
        "stall",
        "longest loop stall while tracking 1,000 events/s against a collector that takes 1 s per answer",
        "<= 10 ms above the idle heartbeat, nothing refused",
        reached,
        is_met,
    )
    many = runs.get(("ours", 5_000))
    if many is not None:
        yield Figure(
            "stall-5000",
            "the same at 5,000 events/s",
            "reported",
            f"{many['above_idle_ms']:.1f} ms above idle, {many['refused']:,} of {many['offered']:,} refused",
            None,
        )


def _burst(results: Results) -> Iterator[Figure]:
    bursts = [run for run in results.found.get("burst", []) if run["contender"] == "ours"]
    arrived = min((run["arrived"] for run in bursts), default=None)
    seconds = min((run["wall_seconds"] for run in bursts), default=0.0)
    yield Figure(
        "burst",
        "a burst of 50,000 from one task, collector 50 ms away, default policy",
        "all delivered",
        "" if arrived is None else f"{arrived:,} in {seconds:.1f} s",
        None if arrived is None else arrived == BURST_EVENTS,
    )


def _memory(results: Results) -> Iterator[Figure]:
    for workload in (PAGE, STRUCTURED, ONE):
        held = [
            run
            for run in results.found.get("memory", [])
            if run["workload"] == workload and run["contender"].startswith("ours")
        ]
        if not held and workload != PAGE:
            continue
        extra = held[0]["bytes_above_payload"] if held else None
        yield Figure(
            f"memory-{workload}",
            f"resident bytes per queued event above the payload's own length, {WORDS[workload]}",
            "<= 250",
            "" if extra is None else f"{extra:.0f} (payload: {held[0]['payload_bytes']:.0f})",
            None if extra is None else extra <= 250,  # noqa: PLR2004 - the goal
        )


def _imports(results: Results) -> Iterator[Figure]:
    times = results.found.get("imports", {})
    ours = times.get("aiotracker", {}).get("median")
    theirs = times.get("snowplow_tracker", {}).get("median")
    is_known = ours is not None and theirs is not None
    yield Figure(
        "import",
        "`import aiotracker`",
        "<= the official tracker's import",
        f"{ours:.0f} ms; official: {theirs:.0f} ms" if is_known else "",
        ours <= theirs if is_known else None,
    )


def _ratio(
    key: str,
    measure: str,
    ours: float | None,
    theirs: float | None,
    goal: float,
    *,
    at_least: bool = False,
) -> Figure:
    sign = ">=" if at_least else "<="
    words = f"{sign} {goal:g}x"
    if ours is None or not theirs:
        return Figure(key, measure, words, "", None)
    ratio = ours / theirs
    unit = "events/s" if at_least else "µs"
    digits = 0 if at_least else 1
    reached = f"{ratio:.2f}x ({ours:,.{digits}f} against {theirs:,.{digits}f} {unit})"
    return Figure(key, measure, words, reached, ratio >= goal if at_least else ratio <= goal)
