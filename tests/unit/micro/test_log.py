"""What is remembered, and for how long."""

import threading

import pytest

from aiotracker.errors import ConfigurationError
from aiotracker.micro.log import ReceivedLog
from aiotracker.micro.receipt import Receipt
from tests.unit.micro.samples import EVENT_ID, GENERATED_ID, PAGE_VIEW, body_of, post, received


def batch(*pages: str, eid: str | None = None) -> Receipt:
    """Return the receipt of a request with an event per page."""
    given = {} if eid is None else {"eid": eid}
    return received(post(body_of(*({**PAGE_VIEW, **given, "page": page} for page in pages))))


def remembered(log: ReceivedLog) -> list[int]:
    """Return the numbers of events in what is remembered, newest first."""
    return [receipt.good + receipt.bad for receipt in log.newest_first()]


def test_it_begins_with_nothing() -> None:
    """All counts are zero."""
    assert {"total": 0, "good": 0, "bad": 0} == ReceivedLog().summary()


def test_counts_add_up() -> None:
    """The total is the sum of good and bad."""
    log = ReceivedLog()

    log.add([batch("a", "b"), batch("c", eid="1")])
    log.add([batch("d")])

    assert {"total": 4, "good": 3, "bad": 1} == log.summary()


def test_the_newest_receipt_comes_first() -> None:
    """Also among those that were added together."""
    log = ReceivedLog()
    receipts = [batch("a"), batch("b"), batch("c")]

    log.add(receipts[:2])
    log.add(receipts[2:])

    assert receipts[::-1] == list(log.newest_first())


def test_the_oldest_requests_are_forgotten_whole() -> None:
    """As soon as the newer ones alone hold as many events as are wanted; the counts go on."""
    log = ReceivedLog(max_events=3)

    log.add([batch("a", "b")])
    log.add([batch("c", "d")])
    before = remembered(log)
    log.add([batch("e")])

    assert ([2, 2], [1, 2]) == (before, remembered(log))
    assert 5 == log.summary()["total"]


def test_the_newest_request_is_always_remembered() -> None:
    """However large it is."""
    log = ReceivedLog(max_events=1, max_bytes=1)

    log.add([batch("a")])
    log.add([batch("b", "c", "d")])

    assert [3] == remembered(log)


def test_memory_has_a_bound_of_its_own() -> None:
    """Few large requests are forgotten like many small ones."""
    receipt = batch("x" * 2000)
    log = ReceivedLog(max_bytes=2 * receipt.size_bytes)

    for _ in range(5):
        log.add([receipt])

    assert [1, 1] == remembered(log)


def test_a_reset_forgets_everything() -> None:
    """Counts and bounds begin anew."""
    log = ReceivedLog(max_events=2)
    log.add([batch("a", "b")])

    summary = log.reset()
    log.add([batch("c")])
    log.add([batch("d")])

    assert {"total": 0, "good": 0, "bad": 0} == summary
    assert ({"total": 2, "good": 2, "bad": 0}, [1, 1]) == (log.summary(), remembered(log))


def test_event_ids_are_distinct() -> None:
    """An event that came twice is one id; failed ones have none."""
    log = ReceivedLog()

    log.add([batch("a", eid=EVENT_ID), batch("a", eid=EVENT_ID.upper()), batch("b")])
    log.add([batch("c", eid="1"), received(post(b"not json"))])

    assert {EVENT_ID, str(GENERATED_ID)} == log.event_ids()


@pytest.mark.parametrize("bound", ["max_events", "max_bytes"])
def test_a_bound_is_at_least_one(bound: str) -> None:
    """A log that remembers nothing would show nothing."""
    with pytest.raises(ConfigurationError) as caught:
        ReceivedLog(**{bound: 0})

    assert bound == caught.value.setting


def test_threads_may_read_and_write_at_once() -> None:
    """No event is lost, whoever looks on."""
    log = ReceivedLog()
    receipt = batch("a", "b")

    def write() -> None:
        for _ in range(200):
            log.add([receipt])
            log.newest_first()
            log.event_ids()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {"total": 1600, "good": 1600, "bad": 0} == log.summary()
    assert 800 == len(log.newest_first())
