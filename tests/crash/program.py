"""What the processes do that are killed: a service that tracks as fast as it can, and a relay.

A job is a dictionary, for it comes as JSON; `run()` does it.
"""

from __future__ import annotations

import itertools
import json
import logging
import mmap
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio
from anyio.abc import TaskGroup, TaskStatus

from aiotracker import Emitter, Relay, StoreOnly, Tracker
from aiotracker.cli import main
from aiotracker.delivery.outlet import Outlet
from tests import stages
from tests.crash.journal import COMMITTED, LATE, REFUSED, STATE, Journal
from tests.crash.numbers import crash_event
from tests.places import Place

__all__ = ["CommandJob", "Job", "RelayJob", "ServiceJob", "run", "warm_up"]

T = TypeVar("T")

COMMIT_TIMEOUT: Final = 2.0  # seconds
WELL_BEFORE: Final = 0.5
"""A `track()` that came back in this part of its commit timeout did not give up waiting: it was told."""

LOOK_SECONDS: Final = 0.01
CLOSE_SECONDS: Final = 1.0  # a collector may be down: what is left then stays in the store
DRAIN_SECONDS: Final = 30.0
PAGE_BYTES: Final = mmap.PAGESIZE


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all programs need.

    Attributes:
        place: where the events are.
        url: of the collector.
        journal: path of what is told.
        loop: `asyncio`, `uvloop` or `trio`.
        seconds: after which it closes, unless SIGTERM comes first.
        drains: then wait until the place is empty.
        batch_size: of requests.
        request_timeout: seconds of a request.
        user: its user and group, as a number; None: those of the test.
        tells: seconds between two lines on its state; 0: none.
        settings: of the store.
    """

    place: Place
    url: str
    journal: str
    loop: str = "asyncio"
    seconds: float = 60.0
    drains: bool = False
    batch_size: int = 200
    request_timeout: float = 2.0
    user: int | None = None
    tells: float = 0.0
    settings: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return what `run()` takes."""
        return {"program": type(self).__name__, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class ServiceJob(Job):
    """Tracks events.

    Attributes:
        outlet: `emitter`, or `store` to leave the sending to a relay.
        producers: tasks that track.
        pause: seconds that a task takes between two events.
        first: number of its first event.
        events: the most that it tracks.
        commit_timeout: of its outlet.
    """

    outlet: str = "emitter"
    producers: int = 8
    pause: float = 0.0
    first: int = 0
    events: int = 1_000_000
    commit_timeout: float = COMMIT_TIMEOUT


@dataclass(frozen=True, kw_only=True)
class RelayJob(Job):
    """Sends what is there."""


@dataclass(frozen=True, kw_only=True)
class CommandJob(Job):
    """Sends what is there, as `aiotracker relay` does."""


class Process:
    """What a process does from its opening to its end, told step by step."""

    def __init__(self, job: Job, outlet: Outlet) -> None:
        """Begin to live."""
        self.job = job
        self.outlet = outlet
        self.journal = Journal(job.journal)
        self.should_end = anyio.Event()
        self.slowest = 0.0

    async def end_after(self, seconds: float, *, task_status: TaskStatus[None]) -> None:
        """Say that it is time to end: after a while, or on SIGTERM."""
        with anyio.open_signal_receiver(signal.SIGTERM) as signals:
            task_status.started()
            with anyio.move_on_after(seconds):
                async for _ in signals:
                    break
            self.should_end.set()
            await anyio.sleep_forever()  # or another SIGTERM would end the process

    async def begin(self, tasks: TaskGroup, opening: Callable[[], Awaitable[T]]) -> T:
        """Open, and tell of it; what is opened is returned."""
        await tasks.start(self.end_after, self.job.seconds)
        self.journal.say("opening")
        opened = await opening()
        self.journal.say("opened")
        if self.job.tells:
            tasks.start_soon(self.tell)
        return opened

    async def tell(self) -> None:
        """Tell how it goes, again and again."""
        while True:
            self.journal.say(f"{STATE} {self.account()}")
            await anyio.sleep(self.job.tells)

    async def emptied(self) -> None:
        """Wait until nothing waits in the store, and nobody has leased anything."""
        with anyio.fail_after(DRAIN_SECONDS):
            while not self.is_empty:  # noqa: ASYNC110 - only the outlet is told of changes
                await anyio.sleep(LOOK_SECONDS)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits in the store, as far as is known here."""
        backlog = self.outlet.event_store.backlog()
        return not backlog.events and not backlog.leased

    def account(self) -> str:
        """Return what it has to tell of itself."""
        stats, backlog, health = self.outlet.stats(), self.outlet.event_store.backlog(), self.outlet.health()
        told = {
            "accepted": stats.accepted,
            "offered": stats.offered,
            "refused": {str(reason): count for reason, count in stats.refused.items()},
            "delivered": stats.delivered,
            "dropped": {str(reason): count for reason, count in stats.dropped.items()},
            "retries": dict(stats.retries),
            "in_flight": stats.in_flight,
            "volatile": stats.volatile,
            "left": backlog.events + backlog.leased,
            "leased": backlog.leased,
            "health": str(health.status),
            "slowest": self.slowest,
            "resident_bytes": int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES,
        }
        return json.dumps(told)


async def serve(job: ServiceJob) -> None:
    """Open, track until it is time, close."""
    outlet = emitter(job) if job.outlet == "emitter" else storing(job)
    process = Process(job, outlet)
    tracker = Tracker("crash", outlet)
    numbers = itertools.count(job.first)
    well_before = job.commit_timeout * WELL_BEFORE

    async def produce() -> None:
        while not process.should_end.is_set():
            number = next(numbers)
            if number >= job.first + job.events:
                return
            began_at = time.perf_counter()
            event_id = await tracker.track(crash_event(number))
            seconds = time.perf_counter() - began_at
            process.slowest = max(process.slowest, seconds)
            if event_id is None:
                process.journal.note(REFUSED, number)
                await anyio.sleep(LOOK_SECONDS)
            else:
                process.journal.note(COMMITTED if seconds < well_before else LATE, number)
            if job.pause:
                await anyio.sleep(job.pause)

    async with anyio.create_task_group() as tasks:
        await process.begin(tasks, tracker.open)
        async with anyio.create_task_group() as producers:
            for _ in range(job.producers):
                producers.start_soon(produce)
        process.journal.say("closing")
        if job.drains:
            await process.emptied()
        await tracker.aclose(CLOSE_SECONDS)
        process.journal.say(f"closed {process.account()}")
        tasks.cancel_scope.cancel()


async def send(job: RelayJob) -> None:
    """Open, send until it is time or nothing is left, close."""
    relayed = emitter(job)
    process = Process(job, relayed)
    async with anyio.create_task_group() as tasks:
        relay = await process.begin(tasks, Relay(relayed).open)
        await process.should_end.wait()
        if job.drains:
            with anyio.fail_after(DRAIN_SECONDS):
                await relay.drained()
        process.journal.say("closing")
        await relay.aclose(CLOSE_SECONDS)
        process.journal.say(f"closed {process.account()}")
        tasks.cancel_scope.cancel()


def storing(job: ServiceJob) -> StoreOnly:
    """Return what leaves the sending to others."""
    return StoreOnly(job.place.store(**job.settings), commit_timeout=job.commit_timeout)


def emitter(job: Job) -> Emitter:
    """Return an emitter on the place of a job, which is quick to try again."""
    return Emitter(
        job.url,
        event_store=job.place.store(**job.settings),
        batch_size=job.batch_size,
        flush_interval=0.05,
        request_timeout=job.request_timeout,
        max_retry_delay=0.2,
        commit_timeout=job.commit_timeout if isinstance(job, ServiceJob) else COMMIT_TIMEOUT,
    )


def command(job: CommandJob) -> None:
    """Run the command until the store is empty."""
    journal = Journal(job.journal)
    journal.say("opened")
    options = ["--store", job.place.url, "--collector", job.url, "--loop", job.loop]
    options += ["--batch-size", str(job.batch_size), "--request-timeout", "2", "--until-empty"]
    status = main(["relay", *options])
    assert not status, f"the command ended with {status}"
    journal.say("closed")


JOBS: Final[dict[str, type[Job]]] = {kind.__name__: kind for kind in (ServiceJob, RelayJob, CommandJob)}


def run(described: dict[str, Any]) -> None:
    """Do a job to its end."""
    arguments = dict(described)
    kind = JOBS[arguments.pop("program")]
    job = kind(**{**arguments, "place": Place.from_json(arguments["place"])})
    if isinstance(job, CommandJob):  # which runs a loop, and logs, by itself
        command(job)
        return
    if job.user is not None:
        os.setgroups([])
        os.setgid(job.user)
        os.setuid(job.user)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    if isinstance(job, ServiceJob):
        stages.run(job.loop, serve, job)
    elif isinstance(job, RelayJob):
        stages.run(job.loop, send, job)


def warm_up() -> None:
    """Import all that a process imports when it opens a tracker."""
    import contextlib

    for name in ("aiotracker.delivery.session", "httpx", "sqlite3", "redis.asyncio", "trio", "uvloop"):
        with contextlib.suppress(ModuleNotFoundError):
            __import__(name)
    "localhost".encode("idna")  # a codec is a module, too
    for loop in ("asyncio", "trio"):
        stages.run(loop, anyio.sleep, 0)  # anyio's backends are imported when they run
