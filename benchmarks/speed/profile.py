"""Where the time goes: `python -m benchmarks.speed.profile --workload page_view --events 50000`.

Runs our contender in this process, against a sink in another, under cProfile, and prints the functions that
took longest by themselves. A profile shows where to look; what a change is worth is for the benchmark.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import sys
import tempfile
from pathlib import Path

from benchmarks.speed.contenders.ours import make, play_round
from benchmarks.speed.program import Program
from benchmarks.speed.roster import CONTENDERS, ROOT
from benchmarks.speed.workloads import WORKLOADS


def main() -> None:
    """Profile one round."""
    ours = {contender.key: contender for contender in CONTENDERS if contender.module == "ours"}
    parser = argparse.ArgumentParser(description="Profile one round of our contender.")
    parser.add_argument("--contender", choices=ours, default="ours-httpx-500")
    parser.add_argument("--workload", choices=WORKLOADS, default="page_view")
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--make", action="store_true", help="construct and track only, send nothing")
    parser.add_argument("--lines", type=int, default=30)
    parser.add_argument("--sort", default="tottime", help="as pstats sorts: tottime, cumtime, ncalls …")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Program([sys.executable, "-m", "benchmarks.speed.sink"], {}, Path(folder, "sink.log"), ROOT) as sink,
    ):
        command = {
            "workload": options.workload,
            "first": 0,
            "producers": 1,
            "collector": sink.ask("hello")["url"],
            "settings": ours[options.contender].settings,
            "latencies": False,
            "timeout": 60.0,
        }
        act = make if options.make else play_round
        asyncio.run(act(command | {"events": 1_000}))  # imports and first connections
        profile = cProfile.Profile()
        profile.enable()
        asyncio.run(act(command | {"events": options.events}))
        profile.disable()
    pstats.Stats(profile).sort_stats(options.sort).print_stats(options.lines)


if __name__ == "__main__":
    main()
