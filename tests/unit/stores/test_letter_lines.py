"""Dead letters as lines of JSON, and the way back."""

import json

import pytest

from aiotracker import DeadLetter, DropReason, InvalidDataError, Kind, PageView, Record
from aiotracker.protocol.encoding import Encoding, encode
from aiotracker.protocol.layer import Layer
from aiotracker.stores.letter_lines import event_of, letter_line, line_of, record_of_line, time_text
from aiotracker.testing.records import make_record

EVENT_ID = "61000000-0000-0000-0000-000000000000"


def line(**members: object) -> bytes:
    """Return a line with an event, and whatever else is given."""
    return json.dumps({"event": {"eid": EVENT_ID, "e": "pv"}} | members).encode()


def test_a_line_says_all_that_is_known_of_a_letter() -> None:
    """Times in UTC, to the millisecond; the event comes last, because it is long."""
    letter = DeadLetter(
        "0007",
        make_record("a", Kind.ANONYMOUS),
        DropReason.EXPIRED,
        "older than a day",
        90_061_001,
        90_061_002,
    )

    found = json.loads(line_of(letter))

    assert ["id", "dropped_at", "tracked_at", "reason", "detail", "kind", "event"] == list(found)
    assert ("1970-01-02T01:01:01.002Z", "1970-01-02T01:01:01.001Z") == (
        found["dropped_at"],
        found["tracked_at"],
    )
    assert ("0007", "expired", "older than a day", "anonymous") == (
        found["id"],
        found["reason"],
        found["detail"],
        found["kind"],
    )
    assert EVENT_ID == found["event"]["eid"]


def test_what_is_not_known_is_left_out() -> None:
    """A file is written where a letter has no name, and a store knows no collector."""
    found = json.loads(letter_line(make_record("a"), reason="queue_full", detail="", dropped_ms=0))

    assert {"dropped_at", "reason", "detail", "kind", "event"} == found.keys()
    assert time_text(0) == found["dropped_at"]


@pytest.mark.parametrize(
    "text", ['a "quoted" \\ text', "zwei\nZeilen", "Müller \U0001f600", "\u2028", "\udc80"]
)
def test_a_letter_is_one_line_whatever_is_in_it(text: str) -> None:
    """A detail is what a server answered: anything."""
    written = letter_line(make_record("a"), reason="rejected", detail=text, dropped_ms=0)

    assert 1 == written.count(b"\n")
    assert text == json.loads(written)["detail"]


@pytest.mark.parametrize("kind", Kind)
def test_an_event_comes_back_as_it_was(kind: Kind) -> None:
    """To the byte, so that it is sent as it would have been."""
    event = PageView(page_url="https://acme.com/?q=a%20b", page_title='Tür "zu" \U0001f600 \u2028')
    encoded = encode(
        event,
        event_id=EVENT_ID,
        created_ms=1,
        tracker=Layer({"uid": "ü"}),
        scope=None,
        encoding=Encoding(),
    )
    record = Record(kind, encoded.data)

    again = record_of_line(letter_line(record, reason="rejected", detail="", dropped_ms=0))

    assert record == again
    assert event_of(record)["page"] == event.page_title


def test_a_line_needs_no_more_than_an_event() -> None:
    """Somebody may have edited it; the time of sending is written anew."""
    again = record_of_line(line(event={"e": "pv", "stm": "1", "eid": EVENT_ID}))

    assert Record(Kind.ORDINARY, f'{{"eid":"{EVENT_ID}","e":"pv"'.encode()) == again


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[]", "needs an object with an `event`"),
        (b"{}", "needs an object with an `event`"),
        (line(event=[]), "needs an object with an `event`"),
        (line(event={"eid": EVENT_ID, "se_va": 1}), "event.se_va = 1: must be text"),
        (line(event={"e": "pv"}), "event.eid = None: must be a UUID"),
        (line(event={"eid": "a" * 36}), "must be a UUID"),
        (line(kind="secret"), "must be one of ordinary, anonymous"),
        (line(kind=[]), "must be one of ordinary, anonymous"),
        (line(event={"eid": EVENT_ID, "page": "\ud800"}), "half a character"),
    ],
)
def test_a_line_that_is_no_letter_is_refused(broken: bytes, expected: str) -> None:
    """With the place and the rule, because a person has to mend it."""
    with pytest.raises(InvalidDataError, match=expected):
        record_of_line(broken)
