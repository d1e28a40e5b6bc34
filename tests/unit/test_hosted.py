"""A hosted tracker: code without a loop hands events to the loop of a thread, and ends with it in time."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import anyio
import anyio.to_thread
import pytest

from aiotracker import (
    BlockingCallError,
    ConfigurationError,
    DeliveryReport,
    DeliveryTimeout,
    Emitter,
    EventRefusedError,
    HealthStatus,
    Subject,
    Tracker,
    TrackerOpenError,
    hosted,
    scope,
)
from tests.fakes.bench import COLLECTOR, view
from tests.fakes.clock import FakeClock
from tests.fakes.transport import FakeTransport, Hang, Sent, Step
from tests.stages import Backend

THREADS = 8
NAME = "aiotracker hosted"  # of the thread
PATIENCE = 3.0  # seconds that half a second may take on a busy machine; without a deadline it is 5 s


def own_threads() -> list[threading.Thread]:
    """Return the threads that host a tracker of these tests."""
    return [thread for thread in threading.enumerate() if thread.name == NAME]


class Host:
    """A hosted tracker before a collector without a network."""

    def __init__(self, backend: Backend) -> None:
        name, options = backend
        self.transport = FakeTransport(FakeClock())
        emitter = Emitter(COLLECTOR, transport=self.transport, flush_interval=30.0)
        self.tracker = Tracker("hosted", emitter)
        self.events = hosted(self.tracker, backend=name, backend_options=options)

    @property
    def users(self) -> list[str | None]:
        """The user of each event that was sent, oldest first."""
        return [event.get("uid") for sent in self.transport.sent for event in sent.events]


@pytest.fixture
def host(anyio_backend: Backend) -> Iterator[Host]:
    """Build a hosted tracker on each loop; afterwards no thread is left."""
    host = Host(anyio_backend)
    yield host
    host.events.close(0)
    assert [] == own_threads()


# -- life ---------------------------------------------------------------------------------------------


def test_the_first_event_opens_and_closing_delivers(host: Host) -> None:
    """Nothing else is needed, and the thread is gone afterwards."""
    was_open = host.events.is_open

    event_id = host.events.track_nowait(view())
    is_open = host.events.is_open
    report = host.events.close()

    assert (False, True, False) == (was_open, is_open, host.events.is_open)
    assert [event_id] == host.transport.delivered
    assert (1, report) == (report.delivered, host.events.last_report)
    assert [] == own_threads()


def test_a_block_opens_and_closes(host: Host) -> None:
    """Leaving it delivers the rest; an exception comes through."""
    ids = []

    def fail() -> None:
        with host.events as events:
            ids.append(events.track_nowait(view()))
            raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        fail()

    assert (1, ids) == (len(ids), host.transport.delivered)


def test_what_is_never_used_starts_no_thread(host: Host) -> None:
    """Flushing and closing have nothing to do then."""
    reports = [host.events.flush(), host.events.close()]

    assert 2 * [DeliveryReport()] == reports
    assert (0, []) == (host.transport.opened, own_threads())


def test_threads_that_come_first_together_open_once(host: Host) -> None:
    """Every event of eight threads is taken, and there is one loop."""
    start = threading.Barrier(THREADS)

    def first(number: int) -> str | None:
        start.wait()
        return host.events.track_nowait(view(number))

    with ThreadPoolExecutor(THREADS) as pool:
        ids = set(pool.map(first, range(THREADS)))
    one = own_threads()
    host.events.close()

    assert (1, 1) == (host.transport.opened, len(one))
    assert THREADS == len(ids - {None})
    assert ids == host.transport.delivered_ids


def test_the_thread_is_a_daemon_and_so_are_its_threads(host: Host) -> None:
    """Or an idle one would hold the process for ever."""

    async def is_daemon() -> bool:
        return await anyio.to_thread.run_sync(lambda: threading.current_thread().daemon)

    host.events.track_nowait(view())
    of_worker = host.events._opened(again=False).begin(is_daemon).result(5)

    assert [True] == [thread.daemon for thread in own_threads()]
    assert of_worker


def test_a_closed_one_refuses_and_counts(host: Host) -> None:
    """As a closed tracker does; it does not open itself again."""
    host.events.track_nowait(view())
    host.events.close()

    late = host.events.track_nowait(view("late"))
    with pytest.raises(EventRefusedError, match="refused, closed"):
        host.events.deliver(view("later"))

    assert None is late
    assert {"closed": 2} == host.events.stats().refused
    assert host.events.last_report == host.events.flush()
    assert (1, []) == (host.transport.opened, own_threads())


def test_a_closed_one_is_opened_again_by_hand(host: Host) -> None:
    """Opening twice is opening once."""
    host.events.track_nowait(view("early"))
    host.events.close()

    same = host.events.open().open()
    host.events.track_nowait(view("late"))
    host.events.close()

    assert host.events is same
    assert (2, [["early"], ["late"]]) == (host.transport.opened, host.transport.pages)


def test_closing_twice_changes_nothing(host: Host) -> None:
    """The second call returns the report of the first."""
    host.events.track_nowait(view())

    reports = [host.events.close(), host.events.close()]

    assert [1, 1] == [report.delivered for report in reports]


def test_opening_that_fails_raises_and_is_tried_again(host: Host) -> None:
    """The caller sees why; the next use may have more luck."""
    host.transport.open_step = OSError("no luck")
    with pytest.raises(OSError, match="no luck"):
        host.events.track_nowait(view())
    is_harmless = DeliveryReport() == host.events.close()
    host.transport.open_step = 200

    event_id = host.events.track_nowait(view())
    host.events.close()

    assert is_harmless
    assert [event_id] == host.transport.delivered


def test_a_tracker_that_is_open_elsewhere_cannot_be_hosted(host: Host) -> None:
    """A second loop would send what belongs to the first."""
    with hosted(host.tracker), pytest.raises(TrackerOpenError, match="already open"):
        host.events.open()


@pytest.mark.parametrize(
    ("setting", "value"), [("backend", "gevent"), ("timeout", -1.0), ("timeout", float("nan"))]
)
def test_settings_that_cannot_work_are_refused(setting: str, value: object) -> None:
    """Before anything is opened."""
    tracker = Tracker("hosted", COLLECTOR)

    with pytest.raises(ConfigurationError, match=setting):
        hosted(tracker, **{setting: value})  # type: ignore[arg-type]  # on purpose


def test_only_a_tracker_can_be_hosted() -> None:
    """A hosted one is no tracker."""
    events = hosted(Tracker("hosted", COLLECTOR))

    with pytest.raises(ConfigurationError, match="must be a Tracker"):
        hosted(events)  # type: ignore[arg-type]  # on purpose


# -- events -------------------------------------------------------------------------------------------


def test_the_scope_of_the_caller_holds(host: Host) -> None:
    """Eight threads, each with a user of its own, whichever of them opened the tracker."""

    def visit(number: int) -> tuple[str | None, str]:
        with scope(subject=Subject(user_id=f"u-{number}")):
            tracked = host.events.track_nowait(view())
            return tracked, host.events.deliver(view())

    with ThreadPoolExecutor(THREADS) as pool:
        ids = list(pool.map(visit, range(THREADS)))
    host.events.track_nowait(view("nobody"))
    host.events.close()

    sent = {event["eid"]: event.get("uid") for sent in host.transport.sent for event in sent.events}
    assert [(f"u-{number}", f"u-{number}") for number in range(THREADS)] == [
        (sent[str(tracked)], sent[delivered]) for tracked, delivered in ids
    ]
    assert None is host.users[-1]


def test_deliver_returns_when_the_collector_has_the_event(host: Host) -> None:
    """And not before."""
    event_id = host.events.deliver(view())

    assert [event_id] == host.transport.delivered


def test_flush_sends_and_reports(host: Host) -> None:
    """What was accepted before is there when it returns."""
    event_id = host.events.track_nowait(view())

    report = host.events.flush()

    assert [event_id] == host.transport.delivered
    assert (1, True) == (report.delivered, report.is_complete)


def test_accounts_and_health_are_the_trackers(host: Host) -> None:
    """They need no loop."""
    host.events.track_nowait(view())

    assert host.tracker.stats() == host.events.stats()
    assert (1, HealthStatus.OK) == (host.events.stats().accepted, host.events.health().status)


# -- deadlines ----------------------------------------------------------------------------------------


def seconds_of(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.monotonic()
    call()
    return time.monotonic() - began


def test_a_collector_that_hangs_cannot_hold_a_caller(host: Host) -> None:
    """Each call ends at its deadline, and what closing could not deliver is counted."""
    host.transport.default = Hang()
    host.events.track_nowait(view())

    remaining = host.events.flush(0.05).remaining
    with pytest.raises(DeliveryTimeout):
        host.events.deliver(view(), timeout=0.05)
    seconds = seconds_of(lambda: host.events.close(0.05))

    assert 1 == remaining
    assert {"shutdown_deadline": 2} == host.events.last_report.dropped
    assert seconds < PATIENCE


def test_a_loop_that_is_stuck_cannot_hold_a_caller() -> None:
    """Somebody's code holds up the loop: every call ends half a second after its deadline."""
    host = Host(("asyncio", {}))
    release, stuck = threading.Event(), threading.Event()

    def hold(sent: Sent) -> Step:
        stuck.set()
        release.wait(10)
        return 200

    host.transport.default = hold
    host.events.track_nowait(view())
    host.events._opened(again=False).begin(host.tracker.flush)
    stuck.wait(5)

    seconds = seconds_of(lambda: host.events.flush(0))
    with pytest.raises(DeliveryTimeout, match="stuck"):
        host.events.deliver(view(), timeout=0)
    remaining = host.events.close(0).remaining
    release.set()
    for thread in own_threads():
        thread.join(5)

    assert 0.4 < seconds < PATIENCE
    assert 1 == remaining


# -- on a loop ----------------------------------------------------------------------------------------


async def test_a_loop_may_track_and_not_wait() -> None:
    """Calls that wait are refused where they would stop everything; a thread may make them."""
    transport = FakeTransport(FakeClock())
    events = hosted(Tracker("hosted", Emitter(COLLECTOR, transport=transport)))
    await anyio.to_thread.run_sync(events.open)

    event_id = events.track_nowait(view())
    for wait in (events.flush, events.close, events.__enter__, lambda: events.deliver(view())):
        with pytest.raises(BlockingCallError, match="would block the event loop"):
            wait()
    report = await anyio.to_thread.run_sync(events.close)

    assert ([event_id], 1) == (transport.delivered, report.delivered)


# -- forks --------------------------------------------------------------------------------------------


def test_what_a_fork_left_behind_is_not_touched(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under another process id there is nothing to flush or close, and the parent's thread goes on."""
    event_id = host.events.track_nowait(view())
    parent = os.getpid()

    monkeypatch.setattr(os, "getpid", lambda: parent + 1)
    reports = [host.events.flush(), host.events.close()]
    is_open_in_child = host.events.is_open
    monkeypatch.undo()

    assert (2 * [DeliveryReport()], False) == (reports, is_open_in_child)
    assert (True, []) == (host.events.is_open, host.transport.delivered)
    host.events.close()
    assert [event_id] == host.transport.delivered
