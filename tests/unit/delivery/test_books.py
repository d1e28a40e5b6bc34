"""Accounts, reports and watches: the small values that delivery is told in."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotracker import DeliveryReport, DropReason, Health, HealthStatus, RefusalReason
from aiotracker.delivery.statistics import Ledger, Statistics
from aiotracker.delivery.watch import FlushWatch, Watches
from aiotracker.protocol.record import RECORD_START, Kind
from aiotracker.stores import Lease

MOVES = st.lists(
    st.sampled_from(["accept", "refuse", "lease", "release", "deliver", "drop", "evict"]), max_size=80
)


@given(MOVES)
def test_the_accounts_always_add_up(moves: list[str]) -> None:
    """After any moves of one event each: offered = accepted + refused, and nothing disappears."""
    ledger = Ledger()
    for move in moves:
        now = ledger.snapshot()
        match move:
            case "accept":
                ledger.accept()
            case "refuse":
                ledger.refuse(RefusalReason.QUEUE_FULL)
            case "lease" if now.buffered:
                ledger.lease(1)
            case "release" if now.in_flight:
                ledger.release(1)
            case "deliver" if now.in_flight:
                ledger.deliver(1, 1)
            case "drop" if now.in_flight:
                ledger.drop(1, 1, DropReason.REJECTED)
            case "evict" if now.buffered:
                ledger.drop_buffered(1, DropReason.EVICTED)
            case _:
                pass
        stats = ledger.snapshot()

        assert stats.offered == stats.accepted + sum(stats.refused.values())
        assert stats.accepted == (
            stats.delivered + sum(stats.dropped.values()) + stats.buffered + stats.in_flight
        )
        assert min(stats.buffered, stats.in_flight) >= 0


def test_the_accounts_add_up_in_every_snapshot_of_another_thread() -> None:
    """Every move is one critical section."""
    ledger = Ledger()
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            ledger.accept()
            ledger.lease(1)
            ledger.deliver(1, 1)

    thread = threading.Thread(target=work)
    thread.start()
    snapshots = [ledger.snapshot() for _ in range(2_000)]
    stop.set()
    thread.join()

    assert all(s.accepted == s.delivered + s.buffered + s.in_flight for s in snapshots)


def test_a_forked_child_starts_its_books_with_what_it_lost() -> None:
    """What was not settled belongs to the parent, and is counted as `forked`."""
    ledger = Ledger()
    for _ in range(5):
        ledger.accept()
    ledger.lease(2)
    ledger.deliver(1, 1)

    ledger.after_fork()

    stats = ledger.snapshot()
    assert (5, 1, {"forked": 4}, 0, 0) == (
        stats.accepted,
        stats.delivered,
        stats.dropped,
        stats.buffered,
        stats.in_flight,
    )


def test_statistics_of_several_emitters_are_summed() -> None:
    """By reason, where there are reasons."""
    first, second = Ledger(), Ledger()
    first.refuse(RefusalReason.CLOSED)
    second.refuse(RefusalReason.CLOSED)
    second.refuse(RefusalReason.OVERSIZE)
    second.retry("503")
    second.attempt()

    total = Statistics.total([first.snapshot(), second.snapshot()])

    assert (3, {"closed": 2, "oversize": 1}) == (total.offered, total.refused)
    assert ({"503": 1}, 1) == (total.retries, total.requests)


def lease(*sequences: int) -> Lease:
    """Return a lease of records with these numbers."""
    data = tuple(f"{RECORD_START}{number:036}".encode() for number in sequences)
    return Lease(Kind.ORDINARY, data, sequences, (0.0,) * len(sequences))


def test_a_watch_counts_what_came_before_it() -> None:
    """Later events do not count, whatever becomes of them."""
    watch = FlushWatch(3, 3)

    watch.settle((1, 2, 4), None)
    halfway = watch.done.is_set()
    watch.settle((3, 5), DropReason.REJECTED)

    assert (False, True) == (halfway, watch.done.is_set())
    assert DeliveryReport(2, {DropReason.REJECTED: 1}, 0) == watch.report()


def test_a_watch_over_nothing_is_done() -> None:
    """There is nothing to wait for."""
    watch = FlushWatch(9, 0)

    assert watch.done.is_set()
    assert watch.report().is_complete


def test_a_watch_reports_what_remains() -> None:
    """At any moment: delivered, dropped and still there."""
    watch = FlushWatch(5, 5)

    watch.settle((1, 2), None)

    assert (2, 3, False) == (
        watch.report().delivered,
        watch.report().remaining,
        watch.report().is_complete,
    )


def test_a_forgotten_watch_counts_no_more() -> None:
    """A flush that gave up leaves nothing behind."""
    watches = Watches()
    watch = watches.watch_all(5, 5)

    watches.forget(watch)
    watches.settle(lease(1), None)

    assert 0 == watch.report().delivered


def test_a_receipt_says_what_became_of_one_event() -> None:
    """None for an event that arrived, the reason with its detail for one that did not."""
    watches = Watches()
    arrived, dropped, open_ = (watches.watch_one(f"{number:036}") for number in (1, 2, 3))

    watches.settle(lease(1), None)
    watches.settle(lease(2), DropReason.REJECTED, " (status 400)")

    assert (True, None) == (arrived.settled.is_set(), arrived.drop)
    assert (True, "rejected (status 400)") == (dropped.settled.is_set(), dropped.drop)
    assert not open_.settled.is_set()


def test_reports_are_summed() -> None:
    """By reason; complete only when everything arrived everywhere."""
    parts = [
        DeliveryReport(1, {DropReason.REJECTED: 1}, 0),
        DeliveryReport(2, {DropReason.REJECTED: 1, DropReason.EVICTED: 1}, 4),
    ]

    total = DeliveryReport.total(parts)

    assert DeliveryReport(3, {DropReason.REJECTED: 2, DropReason.EVICTED: 1}, 4) == total
    assert (False, True) == (total.is_complete, DeliveryReport.total([]).is_complete)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], HealthStatus.OK),
        ([HealthStatus.OK, HealthStatus.DEGRADED], HealthStatus.DEGRADED),
        ([HealthStatus.FAILING, HealthStatus.DEGRADED], HealthStatus.FAILING),
        ([HealthStatus.OK, HealthStatus.OK], HealthStatus.OK),
    ],
)
def test_the_worst_health_counts(statuses: list[HealthStatus], expected: HealthStatus) -> None:
    """Details of all are kept."""
    parts = [Health(status, {str(number): "why"}) for number, status in enumerate(statuses)]

    worst = Health.worst(parts)

    assert (expected, len(statuses)) == (worst.status, len(worst.details))
