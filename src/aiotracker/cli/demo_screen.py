"""What the demo shows: tables, a progress bar in a terminal, plain lines elsewhere. Needs rich."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

from rich import box, progress
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aiotracker import DeliveryReport, Statistics
from aiotracker.cli.demo_account import Received, Sent

__all__ = ["Progress", "Screen"]

PLAIN_STEPS: Final = 10  # lines of progress outside of a terminal


class Progress(Protocol):
    """Shows how far a burst has come."""

    def show(self, done: int) -> None:
        """Show the number of events that were delivered so far."""


class Screen:
    """Standard output, whatever it is."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, markup=False)

    def say(self, text: str) -> None:
        """Show a line of prose."""
        self._console.print(text, soft_wrap=True)

    def show_events(self, ids: Mapping[str, str | None], received: Mapping[str, Mapping[str, Any]]) -> None:
        """Show what the collector has of single events.

        Args:
            ids: ids of events by what they show.
            received: events by their ids, in the form of `/micro/good`.
        """
        table = _table("One event of every type", "tracked", "received as", "user", "entities")
        for name, event_id in ids.items():
            found = received.get(event_id or "")
            if found is None:
                table.add_row(name, Text("nothing", "bold red"), "", "")
                continue
            event = found["event"]
            table.add_row(name, event["event_name"], event["user_id"] or "-", _names(found["contexts"]))
        self._console.print(table)

    @contextmanager
    def progress(self, total: int) -> Iterator[Progress]:
        """Show how a burst of events comes along while the block runs."""
        if not self._console.is_terminal:
            yield _Lines(self, total)
            return
        columns = (
            progress.TextColumn("Burst"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("delivered"),
            progress.TimeElapsedColumn(),
        )
        with progress.Progress(*columns, console=self._console) as bar:
            yield _Bar(bar, total)

    def show_comparison(self, sent: Sent, received: Received) -> None:
        """Show both sides, next to each other."""
        stats = sent.stats
        table = _table("Do both sides agree?", "", "tracker", "collector", numbers=True)
        for name, ours, theirs in (
            ("events tracked / received", len(sent.event_ids), received.good + received.bad),
            ("delivered / good", stats.delivered, received.good),
            ("lost / bad", sent.lost, received.bad),
            ("distinct event ids", len(set(sent.event_ids) - {None}), len(received.event_ids)),
            ("requests", stats.requests, received.requests),
            ("body limit / largest body, bytes", sent.byte_limit, received.largest_body_bytes),
        ):
            table.add_row(name, f"{ours:,}", f"{theirs:,}")
        self._console.print(table)

    def show_delivery(self, url: str, stats: Statistics, report: DeliveryReport) -> None:
        """Show what became of events at a collector that cannot be asked."""
        table = _table(f"Delivery to {url}", "", "events", numbers=True)
        table.add_row("tracked", f"{stats.offered:,}")
        table.add_row("delivered", f"{stats.delivered:,}")
        for reason, count in (*stats.refused.items(), *stats.dropped.items()):
            table.add_row(f"lost: {reason}", f"{count:,}")
        table.add_row("remaining", f"{report.remaining:,}")
        self._console.print(table)

    def conclude(self, problems: Sequence[str], success: str) -> int:
        """Show the result of the demo; return the exit code that says the same."""
        if not problems:
            self._console.print(Text("OK: ", "bold green") + Text(success), soft_wrap=True)
            return 0
        for problem in problems:
            self._console.print(Text("FAILED: ", "bold red") + Text(problem), soft_wrap=True)
        return 1


class _Bar:
    def __init__(self, bar: progress.Progress, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=total)

    def show(self, done: int) -> None:
        self._bar.update(self._task, completed=done)


class _Lines:
    def __init__(self, screen: Screen, total: int) -> None:
        self._screen = screen
        self._total = total
        self._steps_shown = 0

    def show(self, done: int) -> None:
        steps = done * PLAIN_STEPS // self._total
        if steps > self._steps_shown:
            self._steps_shown = steps
            self._screen.say(f"Burst: {done:,} of {self._total:,} events delivered")


def _table(title: str, *columns: str, numbers: bool = False) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if numbers and place else "left")
    return table


def _names(schemas: Sequence[str]) -> str:
    """Return the names of schemas, `iglu:com.acme/product/jsonschema/1-0-0` as `product`."""
    return ", ".join(schema.split("/")[1] for schema in schemas) or "-"
