"""`aiotracker demo`: every type of event and a burst, and proof that all of it arrived.

Owns the course of the demo: events go in (`demo_events`), a collector in a process of its own receives
them (`demo_process`), both sides are compared (`demo_account`) and shown (`demo_screen`).
"""

import argparse
import logging
import math
import sys
import warnings
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Final

import anyio

from aiotracker import ConfigurationError, Emitter, Tracker
from aiotracker.cli.demo_account import Sent, problems, undelivered
from aiotracker.cli.demo_burst import track_burst
from aiotracker.cli.demo_events import APP_ID, NAMESPACE, SERVICE, track_one_of_each
from aiotracker.cli.demo_process import CollectorGoneError, local_collector

if TYPE_CHECKING:
    from aiotracker.cli.demo_screen import Screen

__all__ = ["add_parser", "run"]

DEFAULT_EVENTS: Final = 100_000
MAX_EVENTS: Final = 1_000_000  # what the local collector remembers
DEFAULT_TIMEOUT: Final = 5.0
CLOSE_TIMEOUT: Final = 30.0  # nothing is left by then, unless the machine is very busy

FAILED: Final = 1
CANNOT_RUN: Final = 2


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of `aiotracker`."""
    parser = subparsers.add_parser(
        "demo",
        help="track every type of event and a burst, and show that all of it arrived",
        description="Track one event of every type and then a burst, to a collector that runs on this "
        "machine for as long as the demo, and compare what it received with what was tracked.",
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument(
        "--events",
        type=_events,
        default=DEFAULT_EVENTS,
        metavar="N",
        help=f"events of the burst, 1 to {MAX_EVENTS:,} (default: {DEFAULT_EVENTS:,})",
    )
    target.add_argument(
        "--collector", metavar="URL", help="send one event of every type, and no burst, to this collector"
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=DEFAULT_TIMEOUT,
        metavar="S",
        help="seconds to wait for the collector at URL (default: %(default)g)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; return 0 when every event arrived and is good."""
    from aiotracker.cli.demo_screen import Screen

    log = logging.StreamHandler()  # what the tracker has to say of a collector in trouble
    log.setFormatter(logging.Formatter("%(message)s"))
    logging.getLogger("aiotracker").addHandler(log)
    screen = Screen()
    if arguments.collector is None:
        course = partial(_compare, arguments.events, screen)
    else:
        course = partial(_report, arguments.collector, arguments.timeout, screen)
    try:
        return anyio.run(course)
    except ConfigurationError as error:  # --collector is no address
        return _failed(error, CANNOT_RUN)
    except CollectorGoneError as error:
        return _failed(error, FAILED)
    finally:
        logging.getLogger("aiotracker").removeHandler(log)


async def _compare(events: int, screen: "Screen") -> int:
    """Track to a collector of our own, and compare what it received with what was tracked."""
    async with local_collector() as collector:
        screen.say(f"A collector listens on {collector.url}, in a process of its own.")
        # A batch job has time: it waits for room in the buffer, and so runs as fast as events arrive.
        emitter = Emitter(collector.url, max_wait=math.inf)
        async with Tracker(NAMESPACE, emitter, app_id=APP_ID, subject=SERVICE) as tracker:
            one_of_each = await track_one_of_each(tracker)
            await tracker.flush()
            screen.show_events(one_of_each, await collector.events())

            began_at = perf_counter()
            burst = await track_burst(tracker, events, screen)
            await tracker.aclose(CLOSE_TIMEOUT)
            seconds = perf_counter() - began_at

        received = await collector.totals()
    sent = Sent([*one_of_each.values(), *burst], tracker.stats(), emitter.settings.byte_limit)
    screen.show_comparison(sent, received)
    screen.say(f"Burst: {events:,} events in {seconds:.1f} s, {events / seconds:,.0f} events per second.")
    return screen.conclude(problems(sent, received), "every event arrived, and every one is good.")


async def _report(url: str, timeout: float, screen: "Screen") -> int:
    """Track to a collector that we cannot look into, and tell what the tracker knows."""
    with warnings.catch_warnings(record=True, action="always") as caught:
        emitter = Emitter(url)
    for warning in caught:  # told to whoever gave the address, not to whoever wrote this line
        print(warning.message, file=sys.stderr)
    async with Tracker(NAMESPACE, emitter, app_id=APP_ID, subject=SERVICE) as tracker:
        await track_one_of_each(tracker)
        report = await tracker.aclose(timeout)
    stats = tracker.stats()
    screen.show_delivery(url, stats, report)
    return screen.conclude(undelivered(url, stats, report), "the collector took every event.")


def _events(text: str) -> int:
    count = int(text) if text.isdecimal() else 0
    if not 1 <= count <= MAX_EVENTS:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {MAX_EVENTS:,}, not {text!r}")
    return count


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, not {text!r}")
    return seconds


def _failed(error: Exception, code: int) -> int:
    print(f"aiotracker demo: {error}", file=sys.stderr)
    return code
