"""Measures what durability costs, on this machine, against a collector on it that answers at once.

    python -m benchmarks.durable                       a few minutes, up to 100,000 stored events
    python -m benchmarks.durable --full                up to 10,000,000, and a backlog of a million drained
    python -m benchmarks.durable --redis-server PATH   with Redis, too (found by itself where it is on PATH)
    python -m benchmarks.durable --report docs/durability.md    write the figures into the page

Each round is a process of its own. Goals: 30,000 durable `track()` a second with 100 producers into SQLite,
50,000 drained a second by one relay, 150 MiB of a relay at the most, and the same cost at any depth.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.durable.figures import Figures, write_into
from benchmarks.speed.machine import machine
from benchmarks.speed.program import Program, ProgramError

ROOT: Final = Path(__file__).parents[2]
PRODUCERS: Final = (1, 10, 100)
DEPTHS: Final = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
RELAYS: Final = (1, 2, 4)
EVENTS_PER_DEPTH: Final = 5_000
HOURS: Final = 3_600.0  # patience for what takes long


@dataclass
class Bench:
    """The processes and folders of one run.

    Attributes:
        folder: for stores and logs.
        sink: the collector.
        redis: URL of a server that is ours alone; None without one.
        is_full: whether to take the time for large backlogs.
    """

    folder: Path
    sink: Program
    redis: str | None
    is_full: bool
    figures: Figures = field(default_factory=Figures)
    _stores: int = 0

    @contextlib.contextmanager
    def worker(self) -> Iterator[Program]:
        """Start a process."""
        command = [sys.executable, "-m", "benchmarks.durable.worker"]
        with Program(command, {}, self.folder / "worker.log", ROOT) as program:
            ask(program, "hello")
            yield program

    def new_store(self, kind: str) -> str:
        """Return the URL of an empty store."""
        self._stores += 1
        if kind == "redis":
            return f"{self.redis}?name=bench-{self._stores}"
        query = "?synchronous=full" if kind == "sqlite-full" else ""
        return f"sqlite:///{self.folder / f'store-{self._stores}.db'}{query}"

    def forget_store(self, url: str) -> None:
        """Remove a file that may be large."""
        if url.startswith("sqlite:///"):
            path = url.removeprefix("sqlite:///").partition("?")[0]
            for name in (path, f"{path}-wal", f"{path}-shm"):
                Path(name).unlink(missing_ok=True)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which stores are here."""
        return ("sqlite", "redis") if self.redis else ("sqlite",)


def ask(program: Program, do: str, **fields: Any) -> dict[str, Any]:  # Any: JSON
    """Send a command; its reply, or an error."""
    return checked(program.ask(do, patience=HOURS, **fields))


def checked(reply: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
    """Return a reply that is none of an error."""
    if not reply["ok"]:
        raise ProgramError(reply.get("error") or reply.get("unavailable"))
    return reply


def measure_track(bench: Bench) -> None:
    """`track()` that returns when the event is safe, from 1, 10 and 100 producers."""
    kinds = ("sqlite", "sqlite-full", *bench.kinds[1:])
    for kind in kinds:
        for producers in PRODUCERS:
            events = {1: 5_000, 10: 30_000, 100: 100_000}[producers] // (4 if kind == "sqlite-full" else 1)
            rates, replies = [], []
            for _ in range(3):
                store = bench.new_store(kind)
                with bench.worker() as program:
                    reply = ask(program, "track", store=store, events=events, producers=producers)
                bench.forget_store(store)
                rates.append(events / reply["wall_seconds"])
                replies.append(reply)
            best = replies[rates.index(max(rates))]
            cpu_us = best["cpu_seconds"] / events * 1e6
            bench.figures.track(kind, producers, rates=rates, cpu_us=cpu_us, waits_us=best["latency_us"])


def measure_depths(bench: Bench) -> None:
    """What an event costs on top of ever larger backlogs; the largest is drained by one relay."""
    for kind in bench.kinds:
        largest = (DEPTHS[-1] if kind == "sqlite" else 1_000_000) if bench.is_full else 100_000
        store, held = bench.new_store(kind), 0
        for depth in DEPTHS:
            if depth > largest:
                break
            with bench.worker() as program:
                ask(program, "fill", store=store, events=depth - held)
            with bench.worker() as program:
                cost = ask(program, "depth", store=store, events=EVENTS_PER_DEPTH)
            held = depth
            bench.figures.depth(kind, depth, cost["put_us"], cost["settle_us"])
            if depth == min(largest, 1_000_000):
                bench.figures.drained(
                    f"{kind}, backlog of {depth:,}", *drained(bench, store, depth, relays=1)
                )
                held = 0
        bench.forget_store(store)


def measure_drain(bench: Bench) -> None:
    """Relays of either transport, and several relays on one store."""
    events = 300_000 if bench.is_full else 100_000
    for kind in bench.kinds:
        for transport, relays in (("aiohttp", 1), *(("httpx", count) for count in RELAYS)):
            store = bench.new_store(kind)
            with bench.worker() as program:
                ask(program, "fill", store=store, events=events)
            name = f"{kind}, {relays} relay{'s' if relays > 1 else ''} ({transport})"
            bench.figures.drained(name, *drained(bench, store, events, relays=relays, transport=transport))
            bench.forget_store(store)


def drained(
    bench: Bench, store: str, events: int, *, relays: int, transport: str = "httpx"
) -> tuple[float, float, float]:
    """Drain a store; return events per second, their cost in microseconds of the processor, and MiB."""
    url = ask(bench.sink, "hello")["url"]
    ask(bench.sink, "reset")
    with contextlib.ExitStack() as stack:
        programs = [stack.enter_context(bench.worker()) for _ in range(relays)]
        began = time.monotonic()
        for program in programs:
            program.tell("drain", store=store, collector=url, transport=transport)
        replies = [checked(program.hear(HOURS)) for program in programs]
        seconds = time.monotonic() - began
    arrived = ask(bench.sink, "count")
    if arrived["events"] != events:
        raise ProgramError(f"{arrived['events']:,} of {events:,} events arrived")
    cpu_us = sum(reply["cpu_seconds"] for reply in replies) / events * 1e6
    return events / seconds, cpu_us, max(reply["rss_mib"] for reply in replies)


@contextlib.contextmanager
def redis_server(path: str | None, folder: Path) -> Iterator[str | None]:
    """Start a Redis of our own, which writes its log to disk every second, as people run it."""
    program = path or shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = [
        "--port",
        str(port),
        "--dir",
        str(folder),
        "--appendonly",
        "yes",
        "--save",
        "",
        "--loglevel",
        "warning",
    ]
    with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as server:  # noqa: S603 - as asked
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.1):
                break
            time.sleep(0.05)
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write the report where it is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.durable", description=__doc__)
    parser.add_argument("--full", action="store_true", help="take half an hour")
    parser.add_argument("--redis-server", metavar="PATH", help="the server's program")
    parser.add_argument("--report", type=Path, metavar="PAGE", help="a page with markers for the figures")
    parser.add_argument("--only", choices=("track", "depths", "drain"), help="one part")
    arguments = parser.parse_args(argv)
    parts = {"track": measure_track, "depths": measure_depths, "drain": measure_drain}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aiotracker-bench-")))
        redis = stack.enter_context(redis_server(arguments.redis_server, folder))
        command = [sys.executable, "-m", "benchmarks.speed.sink"]
        sink = stack.enter_context(Program(command, {}, folder / "sink.log", ROOT))
        bench = Bench(folder, sink, redis, arguments.full)
        for name, measure in parts.items():
            if arguments.only in (None, name):
                measure(bench)
    print(bench.figures.text())
    if arguments.report is not None:
        write_into(arguments.report, bench.figures, machine())
    return 0


if __name__ == "__main__":
    sys.exit(main())
