"""The report: results in, Markdown out. `python -m benchmarks.speed.report results.json` prints it again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.speed.explanations import explanations
from benchmarks.speed.figures import WORDS, Figure, Results, figures
from benchmarks.speed.measures.parts import EVENT_PARTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["details", "goals_table", "report"]

VERDICTS: Final = {True: "reached", False: "**not reached**", None: "–"}
BUSY: Final = 0.6  # share of a core above which the sink may hold a contender up
MEASURES: Final = {"delivery": "Delivery", "languages": "Other languages", "making": "Construct and track"}

IMPORTS: Final = {"benchmarks.speed.contenders.one_model": "pydantic, with one model"}

INTRODUCTION: Final = """\
# Performance

How fast the tracker is, beside others. Written by `nox -s bench -- --full`; `nox -s bench` prints a short
table in less than three minutes.

Every contender is a process of its own that lives through the whole run. Short rounds go in turn, A B C and
again A B C, against the same collector: a minimal server on this machine, in another process, that answers,
and counts distinct event ids. A fixed loop runs before and after each round; where it took 15 % longer than
its best, somebody disturbed the machine, and the round is played again. Figures are medians of the calm
rounds; the spread is the median absolute deviation.

A round begins when its first event is constructed, and ends when the collector has answered for the last
one. Every event, its data, its entities and its own subject are made anew from its number, and hold the same
values for all contenders. Processor time is that of the contender's process, user and system, all threads.

Page views come in two ways. Where it says "the tracker's subject", one subject was given to the tracker when
it was built, and every event carries it; a client of product analytics has no such thing, and names that
subject with every event. Where it says "a subject each", every event has a subject of its own, as a web
service makes one per request, and so it is in a mix. No other workload has a subject.

"The same settings" means: connections are kept, batches of 500 (or 10) events, no base64. The official
tracker then has a `requests.Session`, and the lines that it logs for every request are silenced. At its
defaults it is as it is.
"""

REPEAT: Final = """\
`nox -s bench -- --full` writes this page, its pictures and `.nox/bench.json`, and wants a machine that does
nothing else for half an hour. `--languages` adds the trackers of other languages, where their tools are
present. `python -m benchmarks.speed.workloads` prints what is tracked, and
`python -m benchmarks.speed.report .nox/bench.json` this page again.
"""


def report(found: Mapping[str, Any], plots: Sequence[str] = ()) -> str:  # Any: JSON
    """Return the whole report.

    Args:
        found: the results of a run.
        plots: paths of pictures, as the report links them.
    """
    results = Results(found)
    parts = [
        INTRODUCTION,
        "## Where it was measured\n",
        _machine(found),
        "## Goals\n",
        goals_table(figures(results)),
        *explanations(results, figures(results)),
        *(f"![{Path(plot).stem.replace('_', ' ')}]({plot})\n" for plot in plots),
        details(results),
        "## Repeat it\n",
        REPEAT,
    ]
    return _joined(parts)


def details(results: Results) -> str:
    """Return the part of the report that has all figures."""
    found = results.found
    return _joined(
        [
            *_series(results),
            *_parts(found),
            *_latency(results),
            *_stall(found),
            *_memory(found),
            *_growth(results),
            *_outage(found),
            *_imports(found),
            *_sink(found),
            *_absent(found),
        ]
    )


def _joined(parts: Iterable[str]) -> str:
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def goals_table(lines: Iterable[Figure]) -> str:
    """Return the table of goals."""
    return table(
        ("Measure", "Goal", "Measured", ""),
        [(line.measure, line.goal, line.reached or "not measured", VERDICTS[line.is_met]) for line in lines],
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


# -- parts --------------------------------------------------------------------------------------------


def _machine(found: Mapping[str, Any]) -> str:  # Any: JSON
    times = found["calibration"]
    rows = [(name, text) for name, text in found["machine"].items()]
    loop = ", ".join(f"{name} {seconds * 1e3:.1f} ms" for name, seconds in times.items())
    rows.append(("fixed loop", loop))
    who = [
        (
            contender["title"],
            f"{contender['name']} {contender['version']}",
            contender["runtime"],
            ", ".join(f"{name} {version}" for name, version in contender.get("versions", {}).items()),
        )
        for contender in found["contenders"].values()
    ]
    return table(("", ""), rows) + "\n" + table(("Contender", "Version", "Runs on", "With"), who)


def _series(results: Results) -> Iterator[str]:
    for measure, title in MEASURES.items():
        entries = [entry for entry in results.found["series"] if entry["measure"] == measure]
        if not entries:
            continue
        yield f"## {title}\n"
        groups = dict.fromkeys((entry["workload"], entry["delay"], entry["producers"]) for entry in entries)
        for workload, delay, producers in groups:
            yield _series_table(
                results,
                [
                    entry
                    for entry in entries
                    if (entry["workload"], entry["delay"], entry["producers"]) == (workload, delay, producers)
                ],
                _heading(workload, delay, producers, is_sent=measure != "making"),
            )


def _heading(workload: str, delay: float, producers: int, *, is_sent: bool) -> str:
    words = WORDS[workload].capitalize()
    if not is_sent:
        return words
    place = f"answers after {delay * 1e3:.0f} ms" if delay else "answers at once"
    return f"{words}, {place}, {producers} producer{'s' if producers > 1 else ''}"


def _series_table(results: Results, entries: Sequence[Mapping[str, Any]], heading: str) -> str:  # Any: JSON
    contenders = results.found["contenders"]
    rows = [
        (
            contenders[entry["contender"]]["title"],
            f"{entry['rate']['median']:,.0f}",
            f"{entry['cpu_us']['median']:.2f}",
            f"{entry['cpu_us']['least']:.2f}",
            f"{entry['cpu_us']['spread']:.1%}",
            f"{entry['calm']} of {len(entry['rounds'])}",
            f"{entry['events']:,}",
            _remarks(entry),
        )
        for entry in sorted(entries, key=lambda entry: float(entry["cpu_us"]["median"]))
    ]
    head = ("", "events/s", "CPU µs/event", "least", "spread", "calm rounds", "events", "remarks")
    return f"### {heading}\n\n{table(head, rows)}"


def _remarks(entry: Mapping[str, Any]) -> str:  # Any: JSON
    remarks = [str(entry["note"])] if entry["note"] else []
    if entry["measure"] == "delivery" and entry["do"] == "make":
        remarks.append("sends nothing")
    if entry.get("differences"):
        names = ", ".join(f"`{key}`" for key in entry["differences"])
        remarks.append(f"sends {names} otherwise than the others")
    if entry["missing"]:
        remarks.append(f"**{entry['missing']:,} events were taken and did not arrive**")
    if entry["late"]:
        remarks.append(f"**{entry['late']:,} events of earlier rounds came late**")
    if entry["refused"]:
        remarks.append(f"{entry['refused']:,} refused")
    if entry["sink_share"] > BUSY:
        remarks.append(f"the sink was busy ({entry['sink_share']:.0%})")
    return "; ".join(remarks)


def _parts(found: Mapping[str, Any]) -> Iterator[str]:  # Any: JSON
    if not found.get("parts"):
        return
    yield "## Where the time goes\n"
    yield "From an event's arguments to the buffer, step by step, in microseconds of processor time.\n"
    yield table(
        ("", *(WORDS[part["workload"]] for part in found["parts"])),
        [(words, *(f"{part[key]:.2f}" for part in found["parts"])) for key, words in EVENT_PARTS.items()],
    )
    yield "One request with a body of 5 KB, on a connection that is open.\n"
    yield table(
        ("transport", "CPU µs"), [(one["transport"], f"{one['cpu_us']:.0f}") for one in found["requests"]]
    )


def _latency(results: Results) -> Iterator[str]:
    entries = [entry for entry in results.found["series"] if "latency_us" in entry]
    if not entries:
        return
    yield "## `track()` as its caller sees it\n"
    yield table(
        ("", "collector", "producers", "p50 µs", "p99 µs", "max µs"),
        [
            (
                results.found["contenders"][entry["contender"]]["title"],
                f"{entry['delay'] * 1e3:.0f} ms",
                str(entry["producers"]),
                *(f"{entry['latency_us'][name]:,.1f}" for name in ("p50", "p99", "max")),
            )
            for entry in entries
        ],
    )


def _stall(found: Mapping[str, Any]) -> Iterator[str]:  # Any: JSON
    if not found.get("stall"):
        return
    yield "## The event loop\n\nThe longest that it stood still; the collector takes 1 s per answer.\n"
    yield table(
        ("", "events/s", "idle ms", "tracking ms", "above idle ms", "offered", "refused", "arrived"),
        [
            (
                found["contenders"][run["contender"]]["title"],
                f"{run['rate']:,}",
                f"{run['idle_ms']:.1f}",
                f"{run['stall_ms']:,.1f}",
                f"{run['above_idle_ms']:,.1f}",
                f"{run['offered']:,}",
                f"{run['refused']:,}",
                f"{run['arrived']:,}",
            )
            for run in found["stall"]
        ],
    )


def _memory(found: Mapping[str, Any]) -> Iterator[str]:  # Any: JSON
    if found.get("memory"):
        yield "## Memory of queued events\n"
        yield table(
            ("", "events", "queued", "bytes per event", "payload bytes", "above the payload"),
            [
                (
                    found["contenders"][run["contender"]]["title"],
                    WORDS[run["workload"]],
                    f"{run['events']:,}",
                    f"{run['bytes_per_event']:,.0f}",
                    f"{run['payload_bytes']:,.0f}",
                    f"{run['bytes_above_payload']:,.0f}",
                )
                for run in found["memory"]
            ],
        )
    if found.get("million"):
        yield "## A million events, filled and drained\n"
        yield table(
            ("", "fill s", "MiB when full", "drain s", "MiB afterwards", "arrived"),
            [
                (
                    found["contenders"][run["contender"]]["title"],
                    f"{run['fill_seconds']:.1f}",
                    f"{run['held_bytes'] / 2**20:,.0f}",
                    f"{run['drain_seconds']:.1f}",
                    f"{run['left_bytes'] / 2**20:,.0f}",
                    f"{run['arrived']:,}",
                )
                for run in found["million"]
            ],
        )


def _growth(results: Results) -> Iterator[str]:
    entries = [entry for entry in results.found["series"] if entry["measure"] == "growth"]
    if not entries:
        return
    yield "## Cost per event, however many there are\n"
    yield table(
        ("", "events", "CPU µs/event", "events/s"),
        [
            (
                results.found["contenders"][entry["contender"]]["title"],
                f"{entry['events']:,}",
                f"{entry['cpu_us']['median']:.2f}",
                f"{entry['rate']['median']:,.0f}",
            )
            for entry in entries
        ],
    )


def _outage(found: Mapping[str, Any]) -> Iterator[str]:  # Any: JSON
    if not found.get("outage"):
        return
    yield "## An outage with a full buffer\n"
    yield table(
        (
            "buffer",
            "away s",
            "CPU while away",
            "requests",
            "recovery s",
            "CPU µs/event",
            "requests",
            "arrived",
        ),
        [
            (
                f"{run['events']:,}",
                f"{run['seconds']:.0f}",
                f"{run['outage_cpu_seconds'] * 1e3:,.0f} ms",
                f"{run['requests_during']:,}",
                f"{run['recovery_seconds']:.2f}",
                f"{run['recovery_cpu_seconds'] / run['events'] * 1e6:.2f}",
                f"{run['requests_after']:,}",
                f"{run['arrived']:,}",
            )
            for run in found["outage"]
        ],
    )


def _imports(found: Mapping[str, Any]) -> Iterator[str]:  # Any: JSON
    if not found.get("imports"):
        return
    yield "## Import\n"
    yield table(
        ("module", "ms", "least", "spread"),
        [
            (
                IMPORTS.get(name, f"`{name}`"),
                f"{times['median']:.0f}",
                f"{times['least']:.0f}",
                f"{times['spread']:.1%}",
            )
            for name, times in found["imports"].items()
        ],
    )


def _sink(found: Mapping[str, Any]) -> Iterator[str]:  # Any: JSON
    shares = [
        (entry["sink_share"], entry)
        for entry in found["series"]
        if entry["do"] == "round" and entry["contender"] != "limit-sending"
    ]
    if not shares:
        return
    share, entry = max(shares, key=lambda pair: pair[0])
    yield "## What the sink took\n"
    yield (
        f"The sink was busiest, for {share:.0%} of the time of one core, when "
        f"{found['contenders'][entry['contender']]['title']} delivered: {WORDS[entry['workload']]}. "
        "The line of prepared requests on raw sockets shows what it and this machine's loopback can take.\n"
    )


def _absent(found: Mapping[str, Any]) -> Iterator[str]:  # Any: JSON
    lines = [f"- {key}: not available: {reason}" for key, reason in found["absent"].items()]
    seen = dict.fromkeys(
        (failure["contender"], failure["workload"], failure["do"], failure["reason"])
        for failure in found["failures"]
    )
    lines += [f"- {who}, {what}, {do}: {reason}" for who, what, do, reason in seen]
    if lines:
        yield "## What could not be measured\n\n" + "\n".join(lines) + "\n"


def main() -> None:
    """Print the report on the results in a file."""
    print(report(json.loads(Path(sys.argv[1]).read_text())))


if __name__ == "__main__":
    main()
