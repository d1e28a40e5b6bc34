"""What is kept of a request, and what can be read from it later."""

from uuid import UUID

import pytest

from aiotracker.micro.payload import CollectorPayload
from aiotracker.micro.receipt import events
from aiotracker.micro.record_size import Oversize
from tests.unit.micro.samples import (
    EVENT_ID,
    GENERATED_ID,
    PAGE_VIEW,
    body_of,
    get,
    post,
    received,
)

OVERSIZE = Oversize(0, 1, 2, "something smaller", "head")
GOOD = {**PAGE_VIEW, "eid": EVENT_ID}
FAILED = {**PAGE_VIEW, "eid": "1"}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (post(body_of(GOOD)), (1, 0)),
        (post(body_of(GOOD, FAILED, GOOD)), (2, 1)),
        (post(body_of(FAILED, FAILED)), (0, 2)),
        (post(body_of(GOOD, {**GOOD, "foo": "1"})), (0, 1)),
        (post(b"not json"), (0, 1)),
        (get("e=pv"), (1, 0)),
        (get("p=web"), (0, 1)),
        (get(""), (0, 1)),
    ],
)
def test_events_are_counted_one_by_one_and_lost_requests_once(
    payload: CollectorPayload, expected: tuple[int, int]
) -> None:
    """Good and bad; a request that fails as a whole is one bad entry for all its events."""
    receipt = received(payload)

    assert expected == (receipt.good, receipt.bad)


def test_an_oversize_payload_is_one_bad_entry() -> None:
    """There is nothing left to look into."""
    receipt = received(OVERSIZE)

    assert (0, 1) == (receipt.good, receipt.bad)


def test_the_last_event_of_a_request_comes_first() -> None:
    """Newest first, as in the lists of Micro."""
    receipt = received(post(body_of(*({**PAGE_VIEW, "page": page} for page in "abc"))))

    pages = [shown.parameters["page"] for shown in events(receipt, good=True)]

    assert ["c", "b", "a"] == pages


def test_good_and_failed_events_are_told_apart() -> None:
    """Each list has its own."""
    receipt = received(post(body_of(GOOD, FAILED, GOOD)))

    good = [shown.enriched.failure for shown in events(receipt, good=True)]
    failed = [shown.parameters for shown in events(receipt, good=False)]

    assert [None, None] == good
    assert [FAILED] == failed


@pytest.mark.parametrize("payload", [post(b"not json"), get("")])
def test_a_lost_request_has_no_events(payload: CollectorPayload) -> None:
    """Neither good ones nor failed ones."""
    receipt = received(payload)

    assert [] == [*events(receipt, good=True), *events(receipt, good=False)]


def test_a_made_up_event_id_stays() -> None:
    """It is made once, when the event arrives, and shown every time."""
    receipt = received(post(body_of(PAGE_VIEW, GOOD)))

    for _ in range(2):
        ids = [shown.enriched.columns["event_id"] for shown in events(receipt, good=True)]
        assert [EVENT_ID, str(GENERATED_ID)] == ids


def test_the_ids_of_good_events_are_kept() -> None:
    """Failed events have no say in whether an event arrived."""
    receipt = received(post(body_of(GOOD, FAILED, PAGE_VIEW, {**GOOD, "vid": "x"})))

    ids = [UUID(bytes=found) for found in receipt.good_ids()]

    assert [UUID(EVENT_ID), GENERATED_ID] == ids


def test_a_receipt_is_about_as_large_as_its_request() -> None:
    """The events in it are not kept apart."""
    body = body_of(*[{**GOOD, "page": "x" * 200}] * 100)

    receipt = received(post(body, query="aid=shop"))

    assert len(body) < receipt.size_bytes < 1.2 * len(body)
    assert len(OVERSIZE.head) < received(OVERSIZE).size_bytes
