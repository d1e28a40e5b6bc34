"""Whether the demo notices every way in which tracker and collector can disagree."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from aiotracker import DeliveryReport, DropReason, RefusalReason, Statistics
from aiotracker.cli.demo_account import Received, Sent, problems, undelivered

URL = "http://127.0.0.1:9090"
IDS = ("id-1", "id-2", "id-3")


def stats(
    *,
    delivered: int = 3,
    refused: Mapping[RefusalReason, int] | None = None,
    dropped: Mapping[DropReason, int] | None = None,
    buffered: int = 0,
) -> Statistics:
    """Return accounts that add up."""
    accepted = delivered + sum((dropped or {}).values()) + buffered
    return Statistics(
        offered=accepted + sum((refused or {}).values()),
        accepted=accepted,
        refused=refused or {},
        delivered=delivered,
        dropped=dropped or {},
        buffered=buffered,
        in_flight=0,
        requests=1,
        retries={},
    )


SENT = Sent(event_ids=IDS, stats=stats(), byte_limit=180_000)
RECEIVED = Received(good=3, bad=0, event_ids=IDS, reasons={}, requests=1, largest_body_bytes=180_000)


def test_two_sides_that_agree_have_no_problem() -> None:
    """Every event arrived, every one is good, and no body is above the limit."""
    found = problems(SENT, RECEIVED)

    assert [] == found


def test_an_event_that_arrived_twice_is_no_problem() -> None:
    """Delivery is at least once: what counts is that every id is there."""
    received = replace(RECEIVED, good=4)

    found = problems(SENT, received)

    assert [] == found


def test_a_missing_event_is_named() -> None:
    """One event that never arrived is told by its id."""
    received = replace(RECEIVED, good=2, event_ids=("id-1", "id-3"))

    found = problems(SENT, received)

    assert ["1 event is not among the good ones: id-2 (never arrived)"] == found


def test_a_bad_event_is_named_with_its_reason() -> None:
    """One event that the collector found bad is told by its id, and by what is wrong with it."""
    received = replace(RECEIVED, good=2, bad=1, event_ids=("id-1", "id-3"), reasons={"id-2": "no such field"})

    found = problems(SENT, received)

    assert [
        "1 event is not among the good ones: id-2 (no such field)",
        "the collector has 1 bad",
    ] == found


def test_of_many_missing_events_some_are_named() -> None:
    """A long list is cut, and says how much longer it is."""
    sent = replace(SENT, event_ids=[f"id-{n}" for n in range(1_007)])
    received = replace(RECEIVED, good=0, event_ids=())

    found = problems(sent, received)

    named = ", ".join(f"id-{n} (never arrived)" for n in range(5))
    assert [f"1,007 events are not among the good ones: {named} and 1,002 more"] == found


def test_a_bad_entry_without_event_is_a_problem() -> None:
    """A request that failed as a whole names no event, and still fails the demo."""
    received = replace(RECEIVED, bad=1)

    found = problems(SENT, received)

    assert ["the collector has 1 bad"] == found


def test_an_event_that_nobody_tracked_is_a_problem() -> None:
    """The collector is the demo's own: whatever else arrives was made up on the way."""
    received = replace(RECEIVED, good=4, event_ids=(*IDS, "id-4"))

    found = problems(SENT, received)

    assert ["1 event is received that nobody tracked: id-4"] == found


def test_a_body_above_the_limit_is_a_problem() -> None:
    """One byte too many could cost a whole batch in production."""
    received = replace(RECEIVED, largest_body_bytes=180_001)

    found = problems(SENT, received)

    assert ["a request had 180,001 bytes, the limit is 180,000"] == found


@pytest.mark.parametrize(
    ("accounts", "expected"),
    [
        (stats(refused={RefusalReason.QUEUE_FULL: 2}), "the tracker refused 2 (queue_full)"),
        (stats(dropped={DropReason.REJECTED: 1}), "the tracker dropped 1 (rejected)"),
        (replace(stats(), delivered=2), "the tracker's accounts do not add up"),
    ],
)
def test_what_the_tracker_knows_to_be_lost_is_a_problem(accounts: Statistics, expected: str) -> None:
    """Refused and dropped events are told with their reason, and so is an account that does not add up."""
    found = problems(replace(SENT, stats=accounts), RECEIVED)

    assert [expected] == found


def test_a_refused_event_has_no_id_to_miss() -> None:
    """None, which `track()` returns for a refused event, is counted as refused and not as missing."""
    sent = replace(SENT, event_ids=(*IDS, None), stats=stats(refused={RefusalReason.QUEUE_FULL: 1}))

    found = problems(sent, RECEIVED)

    assert ["the tracker refused 1 (queue_full)"] == found


def test_lost_is_refused_and_dropped() -> None:
    """The figure next to the collector's bad events is everything that the tracker gave up."""
    accounts = stats(
        refused={RefusalReason.CLOSED: 2}, dropped={DropReason.EVICTED: 3, DropReason.EXPIRED: 4}
    )

    lost = replace(SENT, stats=accounts).lost

    assert 9 == lost


def test_a_collector_that_took_everything_has_no_problem() -> None:
    """All delivered, nothing remaining: that is all a tracker can know."""
    found = undelivered(URL, stats(), DeliveryReport(delivered=3))

    assert [] == found


def test_a_collector_that_took_nothing_is_doubted() -> None:
    """When not one event was taken, the address is the first suspect."""
    accounts = stats(delivered=0, dropped={DropReason.SHUTDOWN_DEADLINE: 3})

    found = undelivered(URL, accounts, DeliveryReport())

    assert [
        "the tracker dropped 3 (shutdown_deadline)",
        f"{URL} took nothing: is it the address of a collector, and does it run?",
    ] == found


def test_a_collector_that_took_some_is_not_doubted() -> None:
    """The address is right when anything arrived there."""
    accounts = stats(delivered=2, dropped={DropReason.REJECTED: 1})

    found = undelivered(URL, accounts, DeliveryReport())

    assert ["the tracker dropped 1 (rejected)"] == found


def test_an_event_that_is_not_settled_is_a_problem() -> None:
    """Remaining is not delivered."""
    found = undelivered(URL, stats(delivered=2, buffered=1), DeliveryReport(remaining=1))

    assert ["1 event is not settled"] == found
