"""A file of events that cannot be used for a while, or never again, while services go on tracking."""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.faults.conftest import FaultReport
from tests.faults.households import FILES, on
from tests.faults.script import answer
from tests.faults.service import Household, Service
from tests.faults.troubles import BALLAST_BYTES, corrupt, delete, forbidden, limited, locked, small_disk
from tests.places import Place

NOBODY: Final = 65534
DISK_BYTES: Final = BALLAST_BYTES + 7 * 1024 * 1024  # SQLite's log alone takes 4 MiB
ROOM_BYTES: Final = 512 * 1024  # the journal of the service is a file, too
RECOVERY_SECONDS: Final = 6.0  # the longest pause between two attempts, and some


def begin(household: Household, **job: object) -> Service:
    """Start a service, and let it commit and send a while."""
    service = household.service(**job)
    service.until(lambda: service.committed > 100 and service.state["delivered"] > 50)
    return service


@on(FILES, quick=0.4, full=4.0)
def test_a_locked_file_delays_callers_and_loses_nothing(
    place: Place, at_home: Callable[[Place], Household], size: float, fault_report: FaultReport
) -> None:
    """While another program keeps a write transaction open, events are taken and sent from memory."""
    household = at_home(place)
    service = begin(household, pause=0.005)

    delivered = service.state["delivered"]
    with locked(Path(place.address)):
        time.sleep(size)
        answered = service.answered
    recovered_in = service.commits_again(RECOVERY_SECONDS)
    account = service.stop()

    assert answered > 0
    assert account["delivered"] > delivered
    household.check_books()
    household.check_nothing_lost()
    assert {} == account["dropped"] == account["refused"]
    slowest = household.check_calls()
    fault_report(
        "another program locks the file for 4 s",
        reaction="takes events into memory, sends them from there, commits again when it can",
        bound="nothing lost or refused, `track()` within `max_wait` + `commit_timeout`",
        figure=f"slowest call {slowest:.2f} s, commits {recovered_in:.2f} s after",
    )


@on(FILES, quick=0.4, full=3.0)
@pytest.mark.parametrize(
    "companions",
    [
        pytest.param(True, id="with its log"),
        pytest.param(False, id="without its log", marks=pytest.mark.faults),
    ],
)
def test_a_file_that_is_deleted_is_begun_again(
    place: Place,
    at_home: Callable[[Place], Household],
    *,
    size: float,
    companions: bool,
    fault_report: FaultReport,
) -> None:
    """What the old file held goes into a new one, also where SQLite would take the old log for its own."""
    household = at_home(place)
    household.witness.plays(answer(503).for_seconds(size))
    service = household.service()
    service.until(lambda: service.committed > 200)

    delete(Path(place.address), companions=companions)
    time.sleep(size)
    recovered_in = service.commits_again(RECOVERY_SECONDS)
    account = service.stop()

    household.check_books()
    household.check_nothing_lost()
    assert {} == account["dropped"] == account["refused"]
    slowest = household.check_calls()
    fault_report(
        f"the file is deleted under load, {'with' if companions else 'without'} its log",
        reaction="begins a new one, and moves there what the old one held",
        bound="nothing lost or refused, `track()` within `max_wait` + `commit_timeout`",
        figure=f"slowest call {slowest:.2f} s, commits {recovered_in:.2f} s after",
    )


@on(FILES, quick=1, full=8)
def test_a_damaged_file_is_set_aside_and_counted(
    place: Place, at_home: Callable[[Place], Household], size: int, fault_report: FaultReport
) -> None:
    """Noise is written over the file again and again: what cannot be read is counted, and service goes on."""
    seed = random.randrange(10**6)
    chances = random.Random(seed)
    household = at_home(place)
    household.witness.plays(answer(503).one_in(2), answer(delay=0.02))
    service = household.service()
    service.until(lambda: service.committed > 300)

    for _ in range(size):
        corrupt(Path(place.address), chances, spots=chances.randrange(1, 20))
        service.answers(200)
        time.sleep(0.05)
    service.commits_again(RECOVERY_SECONDS)
    household.witness.plays()
    account = service.stop()

    told = f"seed {seed}\n{service.told()}"
    household.check_books(is_readable=False)
    missing = len(household.missing())
    assert missing <= service.dropped, told
    assert set(account["dropped"]) <= {"store_error", "rejected"}, told
    household.check_calls()
    fault_report(
        "the file is overwritten with noise 8 times under load",
        reaction="sets a damaged file aside, counts what cannot be read as `store_error`, begins a new one",
        bound="every event delivered or counted",
        figure=f"{account['delivered']:,} of {account['accepted']:,} delivered, {service.dropped:,} counted",
    )


@on(FILES, quick=None, full=3.0)
@pytest.mark.parametrize("by", ["mount", "limit"])
def test_a_full_disk_is_survived(
    place: Place,
    at_home: Callable[[Place], Household],
    home: Path,
    *,
    size: float,
    by: str,
    fault_report: FaultReport,
) -> None:
    """No room for a group: events wait in memory, are refused when that is full, and are sent from there."""
    with small_disk(home / "disk", DISK_BYTES) as disk:
        if by == "mount" and disk is None:
            pytest.skip("mounting is not allowed here")
        if by == "mount":
            place = Place("sqlite", str(home / "disk" / "events.db"))
        household = at_home(place)
        household.witness.plays(answer(503))
        service = household.service(pause=0.0, producers=64, settings={"buffer_events": 200}, batch_size=500)
        service.until(lambda: service.committed > 500)

        if by == "mount":
            assert disk is not None
            _fill(service, size)
            disk.relieve()
        else:
            with limited(service.child.pid, _size(place) + ROOM_BYTES):
                _fill(service, size)
        refused = sum(service.state["refused"].values())
        household.witness.plays()
        recovered_in = service.commits_again(RECOVERY_SECONDS)
        account = service.stop()

        assert refused > 0
        assert {"store_full"} == set(account["refused"])
        assert {} == account["dropped"]
        household.check_books()
        household.check_nothing_lost()
        slowest = household.check_calls()
    what = "the disk is full" if by == "mount" else "no file may grow any more"
    fault_report(
        f"{what}, while the collector is down",
        reaction="fills its memory, refuses what comes then as `store_full`, commits again when it can",
        bound="nothing accepted is lost, `track()` within `max_wait` + `commit_timeout`",
        figure=f"slowest call {slowest:.2f} s, commits {recovered_in:.2f} s after",
    )


def _size(place: Place) -> int:
    """Return the bytes of the larger of a file and its log."""
    return max(Path(name).stat().st_size for name in (place.address, f"{place.address}-wal"))


def _fill(service: Service, seconds: float) -> None:
    """Wait until nothing can be committed any more, and then for a while."""
    service.until(lambda: not service.is_well and "store_full" in service.state["refused"], within=40)
    time.sleep(seconds)
    assert service.child.is_alive


@on(FILES, quick=None, full=3.0)
@pytest.mark.parametrize("when", ["before it is opened", "under load"])
def test_a_folder_that_may_not_be_written_is_survived(
    place: Place,
    at_home: Callable[[Place], Household],
    home: Path,
    *,
    when: str,
    size: float,
    fault_report: FaultReport,
) -> None:
    """Without permission events wait in memory and are sent from there; with it they are committed again."""
    folder = home / "events"
    folder.mkdir()
    folder.chmod(0o777)
    household = at_home(Place("sqlite", str(folder / "events.db")))
    user = NOBODY if os.geteuid() == 0 else None  # the permissions of files do not concern root
    service = None if when == "before it is opened" else begin(household, user=user)

    with forbidden(folder):
        if service is None:
            service = household.service(user=user)
        before = service.state["delivered"]
        answered = service.answered
        time.sleep(size)
        service.until(lambda: service.state["delivered"] > before and service.answered > answered)
    recovered_in = service.commits_again(RECOVERY_SECONDS)
    account = service.stop()

    household.check_books()
    household.check_nothing_lost()
    assert {} == account["dropped"] == account["refused"]
    slowest = household.check_calls()
    fault_report(
        f"permission to write the folder is missing for 3 s, {when}",
        reaction="sends from memory, tries again",
        bound="nothing lost or refused, `track()` within `max_wait` + `commit_timeout`",
        figure=f"slowest call {slowest:.2f} s, commits {recovered_in:.2f} s after",
    )
