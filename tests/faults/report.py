"""The table of faults: what each test measured, loop by loop, and where it is written."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

BEGIN: Final = "<!-- begin faults -->"
END: Final = "<!-- end faults -->"
LOOPS: Final = ("asyncio", "uvloop", "trio")


@dataclass
class Row:
    """One fault.

    Attributes:
        place: file and line of the test, which give the order of the table.
        fault: what the network or the collector did.
        reaction: what aiotracker did.
        bound: what the test requires.
        figures: what was measured, by loop.
    """

    place: tuple[str, int]
    fault: str
    reaction: str
    bound: str
    figures: dict[str, str] = field(default_factory=dict)


class FaultTable:
    """The rows of one test run."""

    def __init__(self) -> None:
        """Begin empty."""
        self._rows: dict[tuple[str, bool], Row] = {}

    def add(
        self,
        place: tuple[str, int],
        loop: str,
        *,
        is_full: bool,
        fault: str,
        reaction: str,
        bound: str,
        figure: str,
    ) -> None:
        """Note what one test measured on one loop."""
        row = self._rows.setdefault((fault, is_full), Row(place, fault, reaction, bound))
        row.figures[loop] = figure

    def markdown(self) -> str:
        """Return the table; a fault that was played at full length shows no other figures."""
        chosen = [
            row for (fault, is_full), row in self._rows.items() if is_full or (fault, True) not in self._rows
        ]
        machine = f"{platform.system()}, {os.cpu_count()} cores"
        lines = [
            f"Measured with Python {platform.python_version()} on {machine}.",
            "",
            _line("Fault", "What aiotracker does", "Required", *LOOPS),
            _line(*["---"] * (3 + len(LOOPS))),
            *(
                _line(row.fault, row.reaction, row.bound, *(row.figures.get(loop, "") for loop in LOOPS))
                for row in sorted(chosen, key=lambda row: (*row.place, row.fault))
            ),
        ]
        return "\n".join(lines)

    def write(self, page: Path) -> None:
        """Replace what stands between the markers of a page."""
        text = page.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        page.write_text(f"{before}{BEGIN}\n\n{self.markdown()}\n\n{END}{after}", encoding="utf-8")


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
