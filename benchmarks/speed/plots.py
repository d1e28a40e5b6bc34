"""The pictures of the report."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.speed.figures import WORDS, Results
from benchmarks.speed.workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["draw"]

mpl.use("Agg")  # no screen

OURS: Final = "#1f77b4"
OTHERS: Final = "#b0b0b0"
DOTS_PER_INCH: Final = 110
LABEL_CHARACTERS: Final = 18  # of a line under the bars of a workload, so that six fit beside each other


def draw(found: Mapping[str, Any], folder: Path) -> list[Path]:  # Any: JSON
    """Write every picture that the results can fill; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    results = Results(found)
    drawn = [
        _rates(results, folder / "delivered_events.png"),
        _costs(results, folder / "cpu_per_event.png"),
        _growth(results, folder / "cost_by_number.png"),
        _latency(results, folder / "track_latency.png"),
    ]
    return [path for path in drawn if path is not None]


def _rates(results: Results, path: Path) -> Path | None:
    entries = [
        entry
        for entry in results.found["series"]
        if (entry["measure"], entry["workload"], entry["delay"], entry["producers"])
        == ("delivery", "page_view", 0.0, 1)
        and not entry["contender"].startswith("limit")
    ]
    if not entries:
        return None
    entries.sort(key=lambda entry: float(entry["rate"]["median"]))
    titles = [results.found["contenders"][entry["contender"]]["title"] for entry in entries]
    rates = [entry["rate"]["median"] for entry in entries]
    colours = [OURS if entry["contender"].startswith("ours") else OTHERS for entry in entries]
    figure, axes = plt.subplots(figsize=(9, 0.32 * len(entries) + 1.2))
    bars = axes.barh(titles, rates, color=colours)
    axes.bar_label(bars, labels=[f"{rate:,.0f}" for rate in rates], padding=3, fontsize=8)
    axes.margins(x=0.15)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("page views delivered per second (the tracker's subject)")
    axes.tick_params(axis="y", labelsize=8)
    return _saved(figure, path)


def _costs(results: Results, path: Path) -> Path | None:
    keys = ("official-500", "ours-httpx-500", "ours-aiohttp-500", "limit-encoding")
    shades = (OTHERS, OURS, "#0b3c5d", "#e0b050")
    figure, axes = plt.subplots(figsize=(9, 4))
    is_empty = True
    for index, (key, shade) in enumerate(zip(keys, shades, strict=True)):
        costs = [results.cpu_us("delivery", key, workload) or 0.0 for workload in WORKLOADS]
        if any(costs):
            is_empty = False
            title = results.found["contenders"][key]["title"]
            axes.bar(
                [place + 0.2 * index for place in range(len(WORKLOADS))], costs, 0.2, label=title, color=shade
            )
    if is_empty:
        return None
    labels = [textwrap.fill(WORDS[name], LABEL_CHARACTERS) for name in WORKLOADS]
    axes.set_xticks([place + 0.3 for place in range(len(WORKLOADS))], labels)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_ylabel("processor time per event, µs")
    axes.margins(y=0.3)  # room for the legend
    axes.legend(fontsize=8, loc="upper left")
    return _saved(figure, path)


def _growth(results: Results, path: Path) -> Path | None:
    entries = [entry for entry in results.found["series"] if entry["measure"] == "growth"]
    if not entries:
        return None
    figure, axes = plt.subplots(figsize=(9, 3.5))
    for key in dict.fromkeys(entry["contender"] for entry in entries):
        own = [entry for entry in entries if entry["contender"] == key]
        axes.plot(
            [entry["events"] for entry in own],
            [entry["cpu_us"]["median"] for entry in own],
            marker="o",
            label=results.found["contenders"][key]["title"],
        )
    axes.set_xscale("log")
    axes.margins(y=0.2)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("events in a row (logarithmic)")
    axes.set_ylabel("processor time per event, µs")
    axes.legend(fontsize=8)
    return _saved(figure, path)


def _latency(results: Results, path: Path) -> Path | None:
    entries = [
        entry
        for entry in results.found["series"]
        if entry["measure"] == "latency" and entry["producers"] == 1 and entry["delay"] > 0
    ]
    if not entries:
        return None
    figure, axes = plt.subplots(figsize=(9, 0.5 * len(entries) + 1.2))
    titles = [results.found["contenders"][entry["contender"]]["title"] for entry in entries]
    for name, marker in (("p50", "|"), ("p99", "o"), ("max", "x")):
        axes.plot([entry["latency_us"][name] for entry in entries], titles, marker, label=name, color="black")
    axes.set_xscale("log")
    axes.set_xlabel("time of one track(), µs (logarithmic); the collector answers after 50 ms")
    axes.tick_params(axis="y", labelsize=8)
    axes.legend(fontsize=8)
    return _saved(figure, path)


def _saved(figure: Figure, path: Path) -> Path:
    figure.tight_layout()
    figure.savefig(path, dpi=DOTS_PER_INCH)
    plt.close(figure)
    return path
