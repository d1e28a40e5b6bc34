"""The tables of faults: what each test measured, stage by stage, and where it is written."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tests.sections import replaced
from tests.stages import ON_STORES, STAGES, Stage

BEGIN: Final = "<!-- begin faults -->"
END: Final = "<!-- end faults -->"
BY_HTTPX: Final = [stage for stage in STAGES if stage.transport == "httpx"]
STORES: Final = {"sqlite": "SQLite", "redis": "Redis"}
BY_AIOHTTP: Final = [stage for stage in STAGES if stage.transport == "aiohttp"]


@dataclass
class Row:
    """One fault.

    Attributes:
        place: file and line of the test, which give the order of the table.
        fault: what the network or the collector did.
        reaction: what aiotracker did.
        bound: what the test requires.
        figures: what was measured, by stage.
    """

    place: tuple[str, int]
    fault: str
    reaction: str
    bound: str
    figures: dict[Stage, str] = field(default_factory=dict)


class FaultTable:
    """The rows of one test run."""

    def __init__(self) -> None:
        """Begin empty."""
        self._rows: dict[tuple[str, bool, bool], Row] = {}

    def add(
        self,
        place: tuple[str, int],
        stage: Stage,
        *,
        is_full: bool,
        fault: str,
        reaction: str,
        bound: str,
        figure: str,
    ) -> None:
        """Note what one test measured on one stage."""
        row = self._rows.setdefault((fault, stage.is_durable, is_full), Row(place, fault, reaction, bound))
        row.figures[stage] = figure

    def markdown(self) -> str:
        """Return the tables; where a fault was played at full length, its other figures are left out."""
        rows = self._chosen(is_durable=False)
        by_httpx = [[row.fault, row.reaction, row.bound, *_figures(row, BY_HTTPX)] for row in rows]
        by_aiohttp = [[row.fault, *_figures(row, BY_AIOHTTP)] for row in rows]
        on_stores = self._chosen(is_durable=True)
        known = {row.fault for row in rows}
        of_stores = [
            [row.fault, row.reaction, row.bound, *_figures(row, ON_STORES)]
            for row in on_stores
            if row.fault not in known
        ]
        same = [[row.fault, *_figures(row, ON_STORES)] for row in on_stores if row.fault in known]
        machine = f"{platform.system()}, {os.cpu_count()} cores"
        names = [f"{STORES[stage.store]}, {stage.loop}" for stage in ON_STORES]
        lines = [
            f"Measured with Python {platform.python_version()} on {machine}.",
            "",
            *_table(["Fault", "What aiotracker does", "Required", *_loops(BY_HTTPX)], by_httpx),
            "",
            "The same with `AiohttpTransport`, which must keep the same figures:",
            "",
            *_table(["Fault", *_loops(BY_AIOHTTP)], by_aiohttp),
            "",
            "What can happen to durable stores:",
            "",
            *_table(["Fault", "What aiotracker does", "Required", *names], of_stores),
            "",
            "And the faults from above with the events in a durable store, which must keep the same figures:",
            "",
            *_table(["Fault", *names], same),
        ]
        return "\n".join(lines)

    def _chosen(self, *, is_durable: bool) -> list[Row]:
        chosen: dict[str, Row] = {}
        for (fault, where, _), row in sorted(self._rows.items(), key=lambda item: item[0]):  # full ones last
            if where is is_durable:
                figures = chosen[fault].figures if fault in chosen else {}
                chosen[fault] = replace(row, figures={**figures, **row.figures})
        return sorted(chosen.values(), key=lambda row: (*row.place, row.fault))

    def write(self, page: Path) -> None:
        """Replace what stands between the markers of a page."""
        text = page.read_text(encoding="utf-8")
        page.write_text(replaced(text, BEGIN, END, self.markdown()), encoding="utf-8")


def _figures(row: Row, stages: Sequence[Stage]) -> list[str]:
    return [row.figures.get(stage, "") for stage in stages]


def _loops(stages: Sequence[Stage]) -> list[str]:
    return [stage.loop for stage in stages]


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [_line(cells) for cells in (head, ["---"] * len(head), *rows)]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
