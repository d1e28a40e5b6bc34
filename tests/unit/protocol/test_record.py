"""A stored event: bytes and a kind."""

import pickle

from aiotracker.protocol.record import (
    ENCODING_VERSION,
    SENT_AT_BYTES,
    Kind,
    Record,
    record_bytes,
    records_bytes,
)

EVENT_ID = "0f7c6f1e-6f2b-4b0c-9b39-0a4f5f6a7b8c"
RECORD = Record(Kind.ORDINARY, f'{{"eid":"{EVENT_ID}","e":"pv"'.encode())


def test_the_id_stands_at_the_beginning() -> None:
    """It is read from where every record has it."""
    assert EVENT_ID == RECORD.event_id


def test_the_time_of_sending_has_a_constant_size() -> None:
    """What is appended at every attempt has 13 digits until the year 2286."""
    assert len(b',"stm":"1368725287000"}') == SENT_AT_BYTES


def test_the_size_is_the_share_of_a_body() -> None:
    """Its bytes, the time of sending, and the comma before the next one."""
    assert len(RECORD.data) + SENT_AT_BYTES + 1 == RECORD.size_bytes == record_bytes(RECORD.data)
    assert 3 * RECORD.size_bytes == records_bytes([RECORD.data] * 3)


def test_a_record_says_how_it_was_encoded() -> None:
    """A store may be drained by a later release, which must know; version 1 is in use."""
    assert (1, 1) == (ENCODING_VERSION, RECORD.version)


def test_kinds_are_texts() -> None:
    """A store keeps them as they are."""
    assert ["ordinary", "anonymous"] == list(Kind)


def test_a_record_is_a_value() -> None:
    """It is hashable, comparable, and survives pickling."""
    copy = pickle.loads(pickle.dumps(RECORD))

    assert {RECORD} == {RECORD, copy}
