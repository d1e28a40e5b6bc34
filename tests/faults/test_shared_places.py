"""Several processes on one durable store, and what one leaves behind that dies."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tests.faults.conftest import FaultReport
from tests.faults.households import PLACES, on
from tests.faults.script import answer, hang
from tests.faults.service import Household
from tests.places import Place, Remains

COMEBACK_SECONDS: Final = 1.0  # beyond the lease


@dataclass(frozen=True)
class Load:
    """How long two services track.

    Attributes:
        seconds: for so long.
        delay: of the collector's answers, in seconds.
    """

    seconds: float
    delay: float = 0.01


@on(PLACES, quick=Load(0.3), full=Load(3.0))
def test_two_services_on_one_store_deliver_each_event_once(
    place: Place, at_home: Callable[[Place], Household], size: Load, fault_report: FaultReport
) -> None:
    """Both track and send as fast as they can: everything arrives, and nothing twice."""
    household = at_home(place)
    household.witness.plays(answer(delay=size.delay))

    services = [household.service(pause=0.0) for _ in range(2)]
    time.sleep(size.seconds)
    for service in services:
        service.finish()
    accounts = [service.ended() for service in services]

    household.check_books()
    household.check_nothing_lost()
    assert 0 == household.witness.repeated
    assert [{}, {}] == [account["dropped"] for account in accounts]
    assert [0, 0] == [len(service.life.events["r"]) for service in services]
    total = sum(account["accepted"] for account in accounts)
    fault_report(
        "two services on one store, both under load",
        reaction="each leases what the other has not",
        bound="every event delivered, none twice",
        figure=f"{total:,} of {len(household.witness.arrived):,} in {size.seconds:g} s, none twice",
    )


@on(PLACES, quick=1.0, full=2.0)
def test_what_a_dead_relay_had_leased_comes_back(
    place: Place, at_home: Callable[[Place], Household], size: float, fault_report: FaultReport
) -> None:
    """A relay is killed while it sends; another has what it had leased within the lease and a second."""
    household = at_home(replace(place, lease_seconds=size))
    storer = household.service(outlet="store", drains=False, events=400, pause=0.0)
    storer.ended()
    assert 400 == storer.committed
    household.witness.plays(hang())
    dying = household.relay(request_timeout=60.0)
    dying.until(lambda: dying.state["in_flight"] == 400)
    household.witness.plays()
    other = household.relay()

    time.sleep(size / 2)  # its lease is renewed meanwhile, or would be
    dying.child.kill()
    seconds = other.until(lambda: len(household.witness.arrived) == 400)
    time.sleep(0.1)
    account = other.stop()

    assert size / 2 < seconds + 0.1 < size + COMEBACK_SECONDS + 0.1
    assert 400 == account["delivered"]
    assert 0 == household.witness.repeated
    assert Remains(0, 0, 0) == household.place.remains()
    fault_report(
        "a relay is killed while it sends",
        reaction="another one sends what it had leased",
        bound="within the lease and 1 s",
        figure=f"after {seconds:.2f} s, with a lease of {size:g} s",
    )
