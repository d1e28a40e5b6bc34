"""How long `import` takes, in fresh interpreters with a warm disk cache."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from benchmarks.speed.roster import ROOT
from benchmarks.speed.rounds import summary

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.speed.bench import Bench

__all__ = ["measure_imports"]

MODULES: Final = {
    "aiotracker": "",
    "snowplow_tracker": "official",
    "aio_snowplow_tracker": "aio_official",
    "posthog": "posthog",
    "segment.analytics": "segment",
    "benchmarks.speed.contenders.one_model": "",
}
"""What is imported, and the folder of peers that it is in."""

PROGRAM: Final = (
    "import sys, time; began = time.perf_counter(); import {0}; print(time.perf_counter() - began)"
)


def measure_imports(bench: Bench, peers: Path) -> None:
    """Import everybody in turn, many times."""
    times: dict[str, list[float]] = {name: [] for name, peer in MODULES.items() if (peers / peer).is_dir()}
    for turn in range(16 if bench.plan.is_full else 6):
        for name in list(times):
            seconds = import_seconds(name, peers / MODULES[name] if MODULES[name] else None)
            if seconds is None:
                del times[name]
            elif turn:  # the first one warms the disk cache
                times[name].append(seconds)
    bench.found["imports"] = {
        name: asdict(summary([second * 1e3 for second in seconds])) for name, seconds in times.items()
    }


def import_seconds(module: str, folder: Path | None) -> float | None:
    """Return how long a fresh interpreter takes to import a module; None when it cannot."""
    paths = [str(folder)] if folder is not None else []
    paths += [path for path in os.environ.get("PYTHONPATH", "").split(":") if path]
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", PROGRAM.format(module)],
        env=os.environ | {"PYTHONPATH": ":".join(paths)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return float(ended.stdout.split()[-1]) if ended.returncode == 0 else None
