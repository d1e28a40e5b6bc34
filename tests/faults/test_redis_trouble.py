"""A Redis that is away, stands still, takes nothing or forgets everything, while services go on tracking."""

import time
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.fakes.redis_server import PROGRAM, RedisServer
from tests.faults.conftest import FaultReport
from tests.faults.households import SERVERS, on
from tests.faults.service import Household, Service
from tests.places import Place

MEMORY_BYTES: Final = 64 * 1024 * 1024  # beyond what it takes in peace: the buffer is 16 MiB
RECOVERY_SECONDS: Final = 10.0
SAFE: Final = ("--appendonly yes", "--appendfsync always")


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """Return a Redis of the test's own, which keeps everything on disk."""
    if PROGRAM is None:
        pytest.skip("redis-server is not installed")
    with RedisServer(*SAFE) as server:
        yield server


def begin(household: Household, **job: object) -> Service:
    """Start a service, and let it commit and send a while."""
    service = household.service(producers=64, **job)
    service.until(lambda: service.committed > 100 and service.state["delivered"] > 50)
    return service


def finish(
    household: Household, service: Service, *, within: float = RECOVERY_SECONDS
) -> tuple[float, float]:
    """Wait for its recovery, end it, check its books; return seconds: of recovery, of the slowest call."""
    recovered_in = service.commits_again(within)
    service.stop()
    household.check_books(may_repeat=True)
    return recovered_in, household.check_calls()


@on(SERVERS, quick=None, full=3.0)
def test_a_redis_that_restarts_loses_nothing(
    server: RedisServer, at_home: Callable[[Place], Household], size: float, fault_report: FaultReport
) -> None:
    """It is killed under load and comes back with what it had written down."""
    household = at_home(Place("redis", server.url))
    service = begin(household)
    resident = service.state["resident_bytes"]

    server.stop()
    time.sleep(size)
    server.start()
    recovered_in, slowest = finish(household, service)

    household.check_nothing_lost()
    assert {} == service.state["dropped"]
    assert service.state["resident_bytes"] < resident + MEMORY_BYTES
    fault_report(
        "Redis is killed under load and restarted after 3 s (`appendfsync always`)",
        reaction="keeps events in memory meanwhile, and sends from there",
        bound="nothing lost, `track()` within `max_wait` + `commit_timeout`, less than 64 MiB",
        figure=f"slowest call {slowest:.2f} s, commits {recovered_in:.2f} s after",
    )


@on(SERVERS, quick=0.3, full=5.0)
def test_a_redis_that_stands_still_loses_nothing(
    server: RedisServer, at_home: Callable[[Place], Household], size: float, fault_report: FaultReport
) -> None:
    """Its process is stopped under load: connections stay, and nothing is answered."""
    household = at_home(Place("redis", server.url))
    service = begin(household)
    resident = service.state["resident_bytes"]

    server.pause()
    time.sleep(size)
    server.resume()
    recovered_in, slowest = finish(household, service)

    household.check_nothing_lost()
    assert {} == service.state["dropped"]
    assert service.state["resident_bytes"] < resident + MEMORY_BYTES
    fault_report(
        "Redis stands still for 5 s under load (SIGSTOP)",
        reaction="keeps events in memory meanwhile, and sends from there",
        bound="nothing lost, `track()` within `max_wait` + `commit_timeout`, less than 64 MiB",
        figure=f"slowest call {slowest:.2f} s, commits {recovered_in:.2f} s after",
    )


@on(SERVERS, quick=None, full=3.0)
def test_a_full_redis_is_survived(
    server: RedisServer, at_home: Callable[[Place], Household], size: float, fault_report: FaultReport
) -> None:
    """At `maxmemory` nothing can be stored, and what is in memory is sent from there."""
    household = at_home(Place("redis", server.url))
    service = begin(household)

    server.execute("CONFIG", "SET", "maxmemory", "1mb")
    time.sleep(size)
    server.execute("CONFIG", "SET", "maxmemory", "0")
    recovered_in, slowest = finish(household, service)

    household.check_nothing_lost()
    assert {} == service.state["dropped"]
    fault_report(
        "Redis is at its `maxmemory` for 3 s under load",
        reaction="keeps events in memory meanwhile, and sends from there",
        bound="nothing lost, `track()` within `max_wait` + `commit_timeout`",
        figure=f"slowest call {slowest:.2f} s, commits {recovered_in:.2f} s after",
    )


@on(SERVERS, quick=None, full=3.0)
def test_a_redis_that_asks_for_a_password_is_survived(
    server: RedisServer, at_home: Callable[[Place], Household], size: float, fault_report: FaultReport
) -> None:
    """It wants a password from one moment to the next, and none again later."""
    household = at_home(Place("redis", server.url))
    service = begin(household)

    server.execute("CONFIG", "SET", "requirepass", "secret")
    server.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    time.sleep(size)
    server.execute("CONFIG", "SET", "requirepass", "")
    recovered_in, slowest = finish(household, service)

    household.check_nothing_lost()
    assert {} == service.state["dropped"]
    fault_report(
        "Redis refuses everybody for 3 s under load",
        reaction="keeps events in memory meanwhile, and sends from there",
        bound="nothing lost, `track()` within `max_wait` + `commit_timeout`",
        figure=f"slowest call {slowest:.2f} s, commits {recovered_in:.2f} s after",
    )


@on(SERVERS, quick=None, full=3)
def test_a_redis_that_forgets_everything_is_told(
    server: RedisServer, at_home: Callable[[Place], Household], size: int, fault_report: FaultReport
) -> None:
    """What was there is gone, which the log says, and service goes on with what comes."""
    household = at_home(Place("redis", server.url))
    service = begin(household)

    for _ in range(size):
        server.execute("FLUSHALL")
        service.commits_again(RECOVERY_SECONDS)
    service.stop()

    household.check_books(may_vanish=True)
    slowest = household.check_calls()
    gone = len(household.missing())
    assert {} == service.state["dropped"]
    assert not gone or "has lost its streams" in service.told()
    fault_report(
        "Redis is emptied 3 times under load (FLUSHALL)",
        reaction="tells it at ERROR, begins again",
        bound="`track()` within `max_wait` + `commit_timeout`; what is gone is told, and not counted",
        figure=f"{gone} of {service.answered:,} gone, slowest call {slowest:.2f} s",
    )
