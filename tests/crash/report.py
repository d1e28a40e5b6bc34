"""The table of a session, for a terminal and for a page."""

from __future__ import annotations

import os
import platform
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests.crash.plan import Plan
from tests.crash.rounds import Played

__all__ = ["Tally", "line", "markdown", "table"]

BEGIN: Final = "<!-- begin crashes -->"
END: Final = "<!-- end crashes -->"
NAMES: Final = {"sqlite": "SQLite", "redis": "Redis"}


@dataclass
class Tally:
    """The sum of the rounds on one kind of store.

    Attributes:
        kind: of the store.
        seed: of the rounds.
        rounds: how many were played.
        failed: numbers of those with complaints.
        sum: of all.
    """

    kind: str
    seed: int
    rounds: int = 0
    failed: list[int] = field(default_factory=list)
    sum: Played = field(default_factory=Played)

    def add(self, number: int, played: Played) -> None:
        """Take a round in."""
        self.rounds += 1
        self.sum.add(played)
        if played.complaints:
            self.failed.append(number)


def line(number: int, kind: str, plan: Plan, played: Played) -> str:
    """Return one round on one line."""
    kills = ", ".join(_counted(played.kills)) or "nobody killed"
    lost = f"{len(played.lost)} LOST" if played.lost else "0 lost"
    return (
        f"{number:4} {kind:6} {played.seconds:4.1f} s  {played.events['c']:6,} committed  {lost}"
        f"  {played.repeated:5,} twice  {played.recovered:6,} recovered  [{plan}]  {kills}"
    )


def rows(tally: Tally) -> list[tuple[str, str]]:
    """Return what a session came to, by name."""
    total = tally.sum
    return [
        ("rounds", f"{tally.rounds}"),
        ("processes killed", f"{total.kills.total():,}"),
        *((f"… {what}", f"{count:,}") for what, count in sorted(total.kills.items())),
        ("events tracked", f"{total.events.total():,}"),
        ("… `track()` returned after the commit", f"{total.events['c']:,}"),
        ("… it returned before", f"{total.events['l']:,}"),
        ("… it was killed before it could return", f"{total.unanswered:,}"),
        ("found in the store by the process that drained it", f"{total.recovered:,}"),
        ("arrived more than once, unchanged", f"{total.repeated:,}"),
        ("**committed and lost**", f"**{len(total.lost)}**"),
    ]


def table(tallies: list[Tally]) -> str:
    """Return the sums, for a terminal."""
    return "\n".join(f"{cells[0]:52} " + " ".join(f"{c:>12}" for c in cells[1:]) for cells in _cells(tallies))


def markdown(tallies: list[Tally]) -> str:
    """Return the sums, for a page."""
    head, *lines = _cells(tallies)
    machine = f"{platform.system()}, {os.cpu_count()} cores"
    seeds = ", ".join(sorted({str(tally.seed) for tally in tallies}))
    return "\n".join(
        [
            f"Measured with Python {platform.python_version()} on {machine}, seed {seeds}.",
            "",
            _line(head),
            _line(["---", *["---:"] * len(tallies)]),
            *map(_line, lines),
        ]
    )


def _cells(tallies: list[Tally]) -> list[list[str]]:
    names = list(dict.fromkeys(name for tally in tallies for name, _ in rows(tally)))
    found = [dict(rows(tally)) for tally in tallies]
    return [
        ["", *(NAMES[tally.kind] for tally in tallies)],
        *([name, *(each.get(name, "0") for each in found)] for name in names),
    ]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _counted(counts: Counter[str]) -> list[str]:
    return [what if count == 1 else f"{what} ×{count}" for what, count in counts.items()]
