"""One run of the benchmark: the sink, the contenders that were started, and what has been found so far."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from benchmarks.speed.content import differences
from benchmarks.speed.program import PATIENCE_SECONDS, Program, ProgramError
from benchmarks.speed.roster import ROOT, Contender, NotAvailable
from benchmarks.speed.rounds import Calibration, Case, Round, calm, interleave, nice, summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.speed.protocol import Reply

__all__ = ["Bench", "Plan"]

FIRST_TRIES: Final = (50, 150)  # events of the two rounds that find out how many fill the time of a round
HIGHEST_RATE: Final = 50_000.0  # events a second that are believed before a longer round has shown them
ARRIVAL_SECONDS: Final = 2.0  # that the last events may be on their way after the contender said it is done
TIMEOUT_SECONDS: Final = 60.0  # that a contender may wait for delivery
SLOWEST_EVENT_SECONDS: Final = 1e-4  # that an event of a very long round may take


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        is_full: the whole report, or the quick table.
        rounds: of each case.
        more: times that disturbed cases are played again.
        round_seconds: that a round should take.
        largest: events of the longest round of all.
        patience: seconds from the start of the run after which nothing is played again.
    """

    is_full: bool
    rounds: int
    more: int
    round_seconds: float
    largest: int
    patience: float


QUICK: Final = Plan(is_full=False, rounds=3, more=2, round_seconds=0.25, largest=100_000, patience=100.0)
FULL: Final = Plan(is_full=True, rounds=7, more=7, round_seconds=0.6, largest=10_000_000, patience=1800.0)


class Bench:
    """The harness while it runs.

    Attributes:
        plan: how much is measured.
        found: the results, JSON.
    """

    def __init__(self, plan: Plan, contenders: Sequence[Contender], peers: Path, logs: Path) -> None:
        """Prepare.

        Args:
            plan: how much is measured.
            contenders: who takes part.
            peers: folder with the packages of other trackers.
            logs: folder for what the programs write to standard error.
        """
        self.plan = plan
        self._contenders = {contender.key: contender for contender in contenders}
        self._peers = peers
        self._logs = logs
        self._programs: dict[str, Program] = {}
        self._stack = contextlib.ExitStack()
        self._calibration = Calibration()
        self._between: float | None = None  # the loop after one round is the loop before the next
        self._began = time.monotonic()
        self._first = 0
        self._sizes: dict[Case, int] = {}
        self._differences: dict[Case, list[str]] = {}
        self.found: dict[str, Any] = {  # Any: JSON
            "contenders": {},
            "absent": {},
            "failures": [],
            "series": [],
        }
        self.sink: Program
        self.url = ""

    def __enter__(self) -> Self:
        """Start the sink."""
        command = [sys.executable, "-m", "benchmarks.speed.sink"]
        paths = {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
        self.sink = self._stack.enter_context(Program(command, paths, self._logs / "sink.log", ROOT))
        self.url = self.sink.ask("hello")["url"]
        return self

    def __exit__(self, *_: object) -> None:
        """End all programs."""
        self._stack.close()

    # -- contenders -----------------------------------------------------------------------------------

    def has(self, key: str) -> bool:
        """Tell whether a contender takes part."""
        return key in self._contenders and key not in self.found["absent"]

    def keys(self) -> list[str]:
        """Return the keys of all contenders in Python that take part."""
        return [key for key, one in self._contenders.items() if self.has(key) and one.folder is None]

    def program(self, key: str) -> Program | None:
        """Return the process of a contender, started when first asked for; None when it cannot take part."""
        if not self.has(key):
            return None
        if key not in self._programs:
            try:
                program = self._stack.enter_context(self._built(key, f"{key}.log"))
                reply = program.ask("hello", settings=self._contenders[key].settings)
            except (NotAvailable, ProgramError, OSError) as reason:
                self._absent(key, str(reason))
                return None
            if not reply["ok"]:
                self._absent(key, reply.get("unavailable") or reply["error"])
                return None
            self._programs[key] = program
            title = self._contenders[key].title
            self.found["contenders"][key] = {
                "title": title,
                **reply,
                "settings": self._contenders[key].settings,
            }
            tell(f"{title}: {reply['name']} {reply['version']}, {reply['runtime']}")
        return self._programs[key]

    @contextlib.contextmanager
    def fresh(self, key: str) -> Iterator[Program | None]:
        """Start another process of a contender, whose memory knows nothing yet."""
        if self.program(key) is None:
            yield None
            return
        with self._built(key, f"{key}-fresh.log") as program:
            program.ask("hello")
            yield program

    def _built(self, key: str, log: str) -> Program:
        contender = self._contenders[key]
        inherited = os.environ.get("PYTHONPATH", "")
        folder = contender.folder or ROOT
        environment = contender.environment(self._peers, inherited)
        return Program(contender.command(), environment, self._logs / log, folder)

    def _absent(self, key: str, reason: str) -> None:
        self.found["absent"][key] = reason
        tell(f"{self._contenders[key].title}: not available: {reason}")

    # -- rounds ---------------------------------------------------------------------------------------

    def series(
        self,
        cases: Sequence[Case],
        *,
        rounds: int | None = None,
        more: int | None = None,
        seconds: float | None = None,
    ) -> None:
        """Warm up, play all cases in turn, and keep what was found.

        Args:
            cases: what to play.
            rounds: of each; by the plan if None.
            more: times that disturbed cases are played again; by the plan if None.
            seconds: that a round should take; by the plan if None.
        """
        seconds = seconds or self.plan.round_seconds
        able = [case for case in cases if self._is_warm(case, seconds)]
        if time.monotonic() - self._began > self.plan.patience:
            more = 0
        self._between = None
        found = interleave(
            able,
            self.play,
            count=rounds or self.plan.rounds,
            more=self.plan.more if more is None else more,
            best=lambda: self._calibration.best,
        )
        for case, played in found.items():
            self.found["series"].append(self._entry(case, played))

    def play(self, case: Case, events: int | None = None, *, is_counted: bool = True) -> Round | None:
        """Play one round; None, and a failure noted, when it cannot be played.

        Args:
            case: what to play.
            events: how many; None for what fills the time of a round.
            is_counted: whether the fixed loop runs before and after it, to show that nobody disturbed it.
        """
        program = self.program(case.contender)
        if program is None:
            return None
        count = events or self._sizes.get(case) or case.events
        self.sink.ask("reset", delay=case.delay)
        before = self._calibration.take() if self._between is None else self._between
        reply = self.ask(program, case, count)
        if reply is None:
            return None
        self._between = after = self._calibration.take() if is_counted else before
        accepted = reply["offered"] - reply["refused"]
        seen = self._arrived(accepted if case.do == "round" else 0)
        return Round(
            wall_seconds=reply["wall_seconds"],
            cpu_seconds=reply["cpu_seconds"],
            events=reply["offered"],
            refused=reply["refused"],
            arrived=seen["distinct"] if case.do == "round" else accepted,
            calibration=max(before, after),
            sink_share=seen["cpu_seconds"] / reply["wall_seconds"],
            requests=seen["requests"],
            body_bytes=seen["bytes"],
            latency_us=reply.get("latency_us") or {},
            note=reply.get("note", ""),
        )

    def ask(self, program: Program, case: Case, events: int, **more: Any) -> Reply | None:  # Any: JSON
        """Have a contender do a case with so many events; None, and a failure noted, when it does not."""
        command: dict[str, Any] = {  # Any: JSON
            "workload": case.workload,
            "first": self._numbers(events),
            "events": events,
            "settings": self._contenders[case.contender].settings,
        }
        if case.do != "make":
            command |= {
                "producers": case.producers,
                "collector": self.url,
                "latencies": case.latencies,
                "timeout": TIMEOUT_SECONDS,
            }
        try:
            patience = PATIENCE_SECONDS + events * SLOWEST_EVENT_SECONDS
            reply = program.ask(case.do, **({"patience": patience} | command | more))
        except ProgramError as error:
            self._programs.pop(case.contender, None)  # the next case starts another
            self.fail(case, str(error))
            return None
        if not reply["ok"]:
            reason = reply.get("unavailable")
            self.fail(case, f"not available: {reason}" if reason else reply["error"])
            return None
        return reply

    def fail(self, case: Case, reason: str) -> None:
        """Note why a case has no result."""
        self.found["failures"].append({**asdict(case), "reason": reason})
        tell(f"{case.contender}, {case.workload}, {case.do}: {reason}")

    def _is_warm(self, case: Case, seconds: float) -> bool:
        """Play the rounds that do not count, and find out how many events fill a round."""
        if not self.has(case.contender):
            return False
        if case.events:
            return self.program(case.contender) is not None
        tries = [self.play(case, events, is_counted=False) for events in FIRST_TRIES]
        if any(played is None for played in tries):
            return False
        self._differences[case] = self._compare(case)
        # The difference of the two: a tracker may wait a fixed time for its last batch to fill.
        short, longer = (played.wall_seconds for played in tries if played is not None)
        rate = (FIRST_TRIES[1] - FIRST_TRIES[0]) / max(longer - short, 1e-9)
        rate = min(rate, HIGHEST_RATE)
        for _ in range(self._contenders[case.contender].warm_ups):
            self._sizes[case] = nice(rate * seconds)
            played = self.play(case, is_counted=False)
            if played is None:
                return False
            rate = played.events / played.wall_seconds
        self._sizes[case] = nice(rate * seconds)
        return True

    def _compare(self, case: Case) -> list[str]:
        """Return the wire names in which the last body differs from the workload.

        None do for other protocols.
        """
        body = self.sink.ask("sample")["body"]
        if case.do != "round" or "/payload_data/" not in body:
            return []
        return differences(body, case.workload, range(self._first - FIRST_TRIES[1], self._first))

    def _arrived(self, expected: int) -> Reply:
        """Ask the sink what arrived, with a little patience for the last events."""
        until = time.monotonic() + ARRIVAL_SECONDS
        seen = self.sink.ask("count")
        while seen["distinct"] < expected and time.monotonic() < until:
            time.sleep(0.05)
            seen = {**self.sink.ask("count"), "cpu_seconds": seen["cpu_seconds"]}
        return seen

    def _numbers(self, events: int) -> int:
        first, self._first = self._first, self._first + events
        return first

    def _entry(self, case: Case, played: Sequence[Round]) -> dict[str, Any]:  # Any: JSON
        counted = calm(played, self._calibration.best)
        entry = {
            **asdict(case),
            "events": played[0].events,
            "rounds": [asdict(one) for one in played],
            "calm": len(counted),
            "missing": sum(max(one.missing, 0) for one in played),
            "late": sum(max(-one.missing, 0) for one in played),
            "refused": sum(one.refused for one in played),
            "cpu_us": asdict(summary([one.cpu_us for one in counted])),
            "rate": asdict(summary([one.rate for one in counted])),
            "sink_share": summary([one.sink_share for one in counted]).median,
            "note": played[0].note,
            "differences": self._differences.get(case, []),
        }
        timed = [one.latency_us for one in counted if one.latency_us]
        if timed:
            entry["latency_us"] = {name: summary([one[name] for one in timed]).median for name in timed[0]}
        return entry

    # -- the machine ----------------------------------------------------------------------------------

    def calibrate(self) -> float:
        """Run the fixed loop once; return its time in seconds."""
        return self._calibration.take()

    def calibrations(self) -> dict[str, float]:
        """Return how calm the machine was: the fixed loop's best, median and worst, in seconds."""
        times = sorted(self._calibration.all)
        return {"best": times[0], "median": times[len(times) // 2], "worst": times[-1]}


def tell(line: str) -> None:
    """Print a line on how it goes."""
    print(line, file=sys.stderr, flush=True)
