"""What was measured, as a table for the terminal and for a page."""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from benchmarks.speed.report import table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["Figures", "write_into"]

MARKED: Final = re.compile(r"(<!-- begin figures -->\n).*?(<!-- end figures -->)", re.DOTALL)

TRACK_HEAD: Final = (
    "store",
    "producers",
    "events/s, median of 3",
    "best",
    "CPU µs per event",
    "p50 ms",
    "p99 ms",
)
DEPTH_HEAD: Final = ("store", "events stored", "put and committed, µs", "leased and settled, µs")
DRAIN_HEAD: Final = ("store and relays", "events/s", "CPU µs per event, all relays", "largest process, MiB")


@dataclass
class Figures:
    """Rows of three tables, printed as they come."""

    tracks: list[Sequence[str]] = field(default_factory=list)
    depths: list[Sequence[str]] = field(default_factory=list)
    drains: list[Sequence[str]] = field(default_factory=list)

    def track(
        self,
        kind: str,
        producers: int,
        *,
        rates: Sequence[float],
        cpu_us: float,
        waits_us: Mapping[str, float],
    ) -> None:
        """Note events per second of `track()` into a store, and how long its callers waited."""
        waits = [f"{waits_us[key] / 1e3:.2f}" for key in ("p50", "p99")]
        median, best = statistics.median(rates), max(rates)
        row = (kind, str(producers), f"{median:,.0f}", f"{best:,.0f}", f"{cpu_us:.1f}", *waits)
        self._add(self.tracks, row)

    def depth(self, kind: str, depth: int, put_us: float, settle_us: float) -> None:
        """Note the cost of an event on top of a backlog."""
        self._add(self.depths, (kind, f"{depth:,}", f"{put_us:.1f}", f"{settle_us:.1f}"))

    def drained(self, name: str, per_second: float, cpu_us: float, rss_mib: float) -> None:
        """Note how fast relays emptied a store."""
        self._add(self.drains, (name, f"{per_second:,.0f}", f"{cpu_us:.1f}", f"{rss_mib:.0f}"))

    def text(self) -> str:
        """Return all tables, in Markdown."""
        tables = ((TRACK_HEAD, self.tracks), (DEPTH_HEAD, self.depths), (DRAIN_HEAD, self.drains))
        return "\n".join(table(head, rows) for head, rows in tables if rows)

    @staticmethod
    def _add(rows: list[Sequence[str]], row: Sequence[str]) -> None:
        rows.append(row)
        print("  ".join(row), flush=True)


def write_into(page: Path, figures: Figures, machine: Mapping[str, Any]) -> None:
    """Replace what stands between the markers of a page.

    Raises:
        ValueError: the page has none.
    """
    cores = f"{machine['cores']} cores of {machine['processor']}"
    on = f"Measured {machine['date']} on {cores}, {machine['python']}; the median of three rounds each."
    text, count = MARKED.subn(
        lambda found: f"{found[1]}\n{on}\n\n{figures.text()}\n\n{found[2]}", page.read_text()
    )
    if not count:
        raise ValueError(f"{page} has no markers for figures")
    page.write_text(text)
