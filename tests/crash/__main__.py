"""The crash session: rounds of killing, one line each, and a table at the end.

    python -m tests.crash --rounds 200 --seed 7 --store sqlite

Ends with 0 when no committed event was lost, every duplicate was the same event, and every store was whole
and empty after its round. What a failed round left behind stays where the last lines say.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.crash.nursery import Nursery
from tests.crash.plan import Plan, planned
from tests.crash.report import BEGIN, END, Tally, line, markdown, table
from tests.crash.rounds import Played, Theatre
from tests.crash.witness import Witness
from tests.fakes.redis_server import PROGRAM, RedisServer
from tests.places import KINDS, Place
from tests.sections import replaced

ROUNDS_PER_PLACE: Final = 10  # a file that has seen many crashes is the better test


@contextlib.contextmanager
def places(kind: str, folder: Path) -> Iterator[Iterator[Place]]:
    """Offer places, each for several rounds."""
    if kind == "sqlite":
        yield (_file(folder, number) for number in _spread())
        return
    with RedisServer() as server:
        yield (Place("redis", server.url, name=f"crash-{number}") for number in _spread())


def _spread() -> Iterator[int]:
    number = 0
    while True:
        for _ in range(ROUNDS_PER_PLACE):
            yield number
        number += 1


def _file(folder: Path, number: int) -> Place:
    home = folder / f"file-{number}"
    if not home.exists():
        shutil.rmtree(folder / f"file-{number - 2}", ignore_errors=True)
        home.mkdir(parents=True)
    return Place("sqlite", str(home / "events.db"))


def session(kind: str, seed: int, rounds: int, folder: Path) -> Tally:
    """Play rounds on one kind of store, and say so; end with the first that fails."""
    tally = Tally(kind, seed)
    with (
        Witness(seed=seed) as witness,
        places(kind, folder) as offered,
        Nursery() as nursery,
    ):
        theatre = Theatre(nursery, witness, folder / "round")
        for number, place in zip(range(rounds), offered, strict=False):
            plan = planned(kind, seed, number)
            played = theatre.play(plan, place)
            tally.add(number, played)
            tell(number, kind, plan, played)
            if played.complaints:
                break
    return tally


def tell(number: int, kind: str, plan: Plan, played: Played) -> None:
    """Print a round."""
    print(line(number, kind, plan, played), flush=True)
    for complaint in played.complaints:
        print(f"     FAILED: {complaint}", flush=True)


def main() -> int:
    """Read the arguments, play, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="for each store (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of the rounds; printed")
    parser.add_argument("--store", choices=KINDS, action="append", help="(default: both)")
    parser.add_argument("--report", type=Path, metavar="PAGE", help="write the table into this page")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    kinds = list(dict.fromkeys(arguments.store or KINDS))
    if PROGRAM is None and "redis" in kinds:
        print("redis-server is not installed: nothing is played on Redis", flush=True)
        kinds.remove("redis")
    print(f"{arguments.rounds} rounds on {' and '.join(kinds)}, --seed {seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="aiotracker-crash-"))
    began_at = time.monotonic()
    tallies = [session(kind, seed, arguments.rounds, folder / kind) for kind in kinds]
    print(f"\n{table(tallies)}\n\n{time.monotonic() - began_at:.0f} s")
    failed = [f"{tally.kind} {number}" for tally in tallies for number in tally.failed]
    if failed:
        print(f"FAILED: round {', '.join(failed)}; what is left of it is in {folder}")
        return 1
    shutil.rmtree(folder)
    if arguments.report is not None:
        arguments.report.write_text(
            replaced(arguments.report.read_text(encoding="utf-8"), BEGIN, END, markdown(tallies)),
            encoding="utf-8",
        )
    print("OK: nothing that was committed is lost")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
