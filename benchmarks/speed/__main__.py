"""Run the benchmark: `nox -s bench`, or `python -m benchmarks.speed --peers FOLDER` by hand."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.speed.bench import FULL, QUICK, Bench, tell
from benchmarks.speed.figures import Results, figures
from benchmarks.speed.machine import machine
from benchmarks.speed.measures.burst import measure_burst
from benchmarks.speed.measures.delivery import measure_delivery, measure_languages
from benchmarks.speed.measures.growth import measure_growth
from benchmarks.speed.measures.importing import measure_imports
from benchmarks.speed.measures.latency import measure_latency
from benchmarks.speed.measures.making import measure_making
from benchmarks.speed.measures.memory import measure_memory
from benchmarks.speed.measures.outage import measure_outage
from benchmarks.speed.measures.parts import measure_parts
from benchmarks.speed.measures.stall import measure_stall
from benchmarks.speed.report import details, goals_table, report
from benchmarks.speed.roster import CONTENDERS, ROOT, Contender, language_contenders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MEASURES: Final[Mapping[str, Callable[[Bench], None]]] = {
    "delivery": measure_delivery,
    "making": measure_making,
    "latency": measure_latency,
    "stall": measure_stall,
    "burst": measure_burst,
    "memory": measure_memory,
    "growth": measure_growth,
    "outage": measure_outage,
    "parts": measure_parts,
}
"""In the order of a run; imports and other languages come after them."""

ALL: Final = (*MEASURES, "imports")


def main() -> None:
    """Measure, and write what was found."""
    options = _options()
    others, missing = language_contenders(options.builds) if options.languages else ([], {})
    plan = FULL if options.full else QUICK
    plan = replace(plan, largest=min(plan.largest, options.largest))
    chosen = CONTENDERS if not options.only else tuple(c for c in CONTENDERS if c.key in options.only)
    with Bench(plan, [*chosen, *others], options.peers, options.logs) as bench:
        bench.found |= {"machine": machine(), "absent": missing, "is_full": plan.is_full}
        _measure(bench, options, others)
        bench.found["calibration"] = bench.calibrations()
        found = bench.found
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(found, indent=1))
    tell(f"results: {options.json}")
    if options.full:
        _write(found, options.docs)
    results = Results(found)
    if not options.full:
        print(details(results))
    print(goals_table(figures(results)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.speed", description="Measure how fast the tracker is.")
    parser.add_argument("--full", action="store_true", help="everything; writes docs/performance.md")
    parser.add_argument("--languages", action="store_true", help="the trackers of other languages, too")
    parser.add_argument("--only", nargs="+", metavar="KEY", help="only these contenders")
    parser.add_argument("--measures", nargs="+", choices=ALL, default=ALL, help="only these measures")
    parser.add_argument("--largest", type=int, default=10_000_000, help="events of the longest round")
    parser.add_argument("--json", type=Path, default=ROOT / ".nox/bench.json", help="where the results go")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where the report goes")
    parser.add_argument("--peers", type=Path, default=ROOT / ".nox/bench-peers", help="other trackers")
    parser.add_argument("--logs", type=Path, default=ROOT / ".nox/bench-logs", help="what programs say")
    parser.add_argument("--builds", type=Path, default=ROOT / ".nox/bench-languages", help="what is compiled")
    return parser.parse_args()


def _measure(bench: Bench, options: argparse.Namespace, others: list[Contender]) -> None:
    for _ in range(5):
        bench.calibrate()  # the best time has to be known before the first round
    for name, measure in MEASURES.items():
        if name in options.measures:
            with _timed(name):
                measure(bench)
    if "imports" in options.measures:
        with _timed("imports"):
            measure_imports(bench, options.peers)
    if others:
        with _timed("languages"):
            measure_languages(bench, [other.key for other in others])


@contextlib.contextmanager
def _timed(name: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    tell(f"{name}: {time.monotonic() - began:.0f} s")


def _write(found: Mapping[str, Any], docs: Path) -> None:  # Any: JSON
    from benchmarks.speed.plots import draw

    plots = draw(found, docs / "plots")
    page = docs / "performance.md"
    page.write_text(report(found, [str(plot.relative_to(docs)) for plot in plots]))
    tell(f"report: {page}")


if __name__ == "__main__":
    main()
