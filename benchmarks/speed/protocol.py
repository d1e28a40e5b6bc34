"""What the harness and a contender say to each other: one JSON object per line, both ways.

A contender is a program, in any language, that is started once and lives through the whole run. It reads
one command per line on its standard input, does it, and writes one reply per line, in order, to its
standard output. It writes nothing else there (logs go to standard error), and flushes after every line.
It ends when its standard input ends. All numbers are JSON numbers; unknown fields are to be ignored, so
that either side can say more. Times are seconds, unless a name says otherwise.

Every reply has `ok`. A command that failed is answered with

    {"ok": false, "error": "what went wrong, one line"}

and one that the contender cannot do at all (a library that is missing, a workload that its tracker has no
event for, an unknown command) with

    {"ok": false, "unavailable": "why, one line"}

A failed command leaves the contender ready for the next one.

**hello**: who are you? Always the first command. The contender loads its tracker before it answers.

    {"do": "hello"}
    {"ok": true, "name": "snowplow-java-tracker", "version": "2.1.0", "runtime": "OpenJDK 21.0.5",
     "versions": {"okhttp": "4.12.0"}}

`versions` holds what else decides the speed, such as the HTTP library; it may be left out.

**round**: track so many events, and deliver them all.

    {"do": "round", "workload": "page_view", "first": 40000, "events": 20000, "producers": 1,
     "collector": "http://127.0.0.1:40123", "settings": {"batch_size": 500, "base64": false},
     "latencies": false, "timeout": 120.0}
    {"ok": true, "wall_seconds": 0.71, "cpu_seconds": 0.68, "offered": 20000, "refused": 0,
     "latency_us": {"p50": 8.1, "p99": 15.0, "max": 210.0}, "note": "…"}

- `workload`: one of `page_view`, `visitor_page_view`, `structured`, `self_describing_1`,
  `self_describing_2`, `mix`; the content of the event with number n stands in
  `benchmarks/speed/workloads.py`, and `python -m benchmarks.speed.workloads` prints the payloads that must
  result. In `page_view` the tracker is built with the subject of its events; in all others it has none.
- `first`, `events`: the numbers of the events are first, first + 1, … first + events - 1. Every event,
  its data, its entities and its own subject are made anew from its number, inside the round.
- `producers`: how many tasks (or threads) track at the same time; producer k of p takes the numbers
  first + k, first + k + p, first + 2p + k, …
- `collector`: scheme, host and port; the tracker adds its path. The tracker uses POST.
- `settings`: what the tracker is built with. Contenders in other languages get these two:
  `batch_size`, events of a request; `base64`, whether self-describing data is sent as base64. A setting
  that is absent is left at the tracker's default. A tracker that cannot obey one says so in `note`.
- `latencies`: true asks for `latency_us`, the time of single calls of `track()` as their caller sees it,
  constructing the event not included, in microseconds; false asks not to measure them. Contenders in
  other languages may leave `latency_us` out.
- `timeout`: seconds after which the contender gives up waiting for delivery, and replies all the same.

The clock of a round starts before its first event is constructed, and stops when every event that the
tracker took has been answered by the collector (flushed). Making the tracker and its HTTP client, opening
and closing it is outside of the clock; a tracker may be kept for later rounds with the same `collector`,
`settings` and subject of the tracker. A tracker that refuses events because its buffer is full is fed more
slowly (wait, then offer the event again, with everything that this costs inside the clock); what it cannot be
made to take is counted.

- `wall_seconds`: from start to stop, by a monotonic clock.
- `cpu_seconds`: user and system time of the whole process, all threads, from start to stop:
  `getrusage(RUSAGE_SELF)`, `process.cpuUsage()`, `OperatingSystemMXBean.getProcessCpuTime()`.
- `offered`: events that were tracked. `refused`: how many of them the tracker did not take, or gave up.
- `note`: a remark for the report, one line; may be left out. For instance that a tracker has no page view,
  and sent a structured event with the same subject and as many fields instead.

What has arrived is not the contender's to say: the harness asks the collector how many distinct event ids
it got in the round, and compares. Event ids are UUIDs made by the tracker, in the JSON key `eid`.

**make**: construct and track so many events, and send none. Optional; a contender without it answers
`unavailable`. Fields as in `round`, without `collector`, `producers`, `latencies` and `timeout`; the reply as
in `round`. The clock stops when the last `track()` returned; the events are thrown away after that.

Further commands belong to single measures, and are described where they are asked (`measures/`). A
contender in another language needs `hello` and `round`.

This file is also the contender's side in Python, and so imports nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

__all__ = ["Command", "Reply", "Stopwatch", "Unavailable", "answer", "latencies", "runtime", "serve"]

Command = dict[str, Any]
"""A line that the harness wrote: JSON, so anything."""

Reply = dict[str, Any]
"""A line that the contender answers with, `ok` left out."""

MAX_ERROR_CHARACTERS: Final = 500  # one line of a report


class Unavailable(Exception):  # noqa: N818 - an answer, not a failure
    """The contender cannot do what it was asked, and never will."""


@dataclass(slots=True)
class Stopwatch:
    """Measures the time and the processor time of its `with` block, in seconds.

    Attributes:
        wall_seconds: by a monotonic clock.
        cpu_seconds: user and system time of all threads of this process.
    """

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    _began: tuple[float, float] = field(default=(0.0, 0.0), repr=False)

    def __enter__(self) -> Self:
        """Start."""
        self._began = time.perf_counter(), time.process_time()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.cpu_seconds = time.process_time() - self._began[1]
        self.wall_seconds = time.perf_counter() - self._began[0]

    def reply(self, *, offered: int, refused: int = 0, **more: object) -> Reply:
        """Return the reply to a round that this has measured."""
        return {
            "wall_seconds": self.wall_seconds,
            "cpu_seconds": self.cpu_seconds,
            "offered": offered,
            "refused": refused,
            **more,
        }


def latencies(nanoseconds: Sequence[int]) -> Mapping[str, float]:
    """Return p50, p99 and max of some calls, in microseconds; empty for none."""
    if not nanoseconds:
        return {}
    ordered = sorted(nanoseconds)
    last = len(ordered) - 1
    return {
        "p50": ordered[last // 2] / 1e3,
        "p99": ordered[last * 99 // 100] / 1e3,
        "max": ordered[last] / 1e3,
    }


def runtime() -> str:
    """Return the name and version of this interpreter."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def serve(commands: Mapping[str, Callable[[Command], Reply]]) -> None:
    """Do what comes on standard input, until it ends.

    Args:
        commands: what to do, by the command's name. Raising `Unavailable` answers that; any other
            exception is answered as an error.
    """
    replies = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no reply
    for line in sys.stdin:
        command = json.loads(line)
        replies.write(json.dumps(answer(commands, command)) + "\n")


def answer(commands: Mapping[str, Callable[[Command], Reply]], command: Command) -> Reply:
    """Return the whole reply to a command: what it replies, or why it has no reply of its own."""
    act = commands.get(command["do"])
    if act is None:
        return {"ok": False, "unavailable": f"there is no command {command['do']} here"}
    try:
        return {"ok": True, **act(command)}
    except Unavailable as reason:
        return {"ok": False, "unavailable": str(reason)}
    except Exception as error:  # noqa: BLE001 - whatever it is, the harness has to hear of it
        text = f"{type(error).__name__}: {error}".replace("\n", " ")
        return {"ok": False, "error": text[:MAX_ERROR_CHARACTERS]}
