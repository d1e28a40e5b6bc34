"""A minute without a collector and with a full buffer, then recovery: the work must not grow faster."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from benchmarks.speed.program import ProgramError
from benchmarks.speed.rounds import Case

if TYPE_CHECKING:
    from benchmarks.speed.bench import Bench

__all__ = ["measure_outage"]

AWAY_STATUS: Final = 503
SIZES: Final = (10_000, 100_000)  # events in the buffer: ten times as many may cost ten times as much


def measure_outage(bench: Bench) -> None:
    """Answer 503 for a while, then 200."""
    seconds = 60.0 if bench.plan.is_full else 3.0
    bench.found["outage"] = []
    for events in SIZES if bench.plan.is_full else SIZES[:1]:
        case = Case("outage", "ours", "page_view", do="outlast")
        with bench.fresh(case.contender) as program:
            if program is None:
                return
            bench.sink.ask("reset", status=AWAY_STATUS)
            program.tell(
                case.do,
                workload=case.workload,
                first=0,
                events=events,
                collector=bench.url,
                settings={},
                seconds=seconds,
                timeout=120.0,
            )
            time.sleep(seconds)
            bench.sink.ask("set")
            try:
                reply = program.hear()
            except ProgramError as error:
                bench.fail(case, str(error))
                return
        if not reply["ok"]:
            bench.fail(case, str(reply.get("error")))
            return
        arrived = bench.sink.ask("count")["distinct"]
        bench.found["outage"].append(
            {"contender": case.contender, "events": events, "seconds": seconds, "arrived": arrived, **reply}
        )
