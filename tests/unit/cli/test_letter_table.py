"""Dead letters as a person reads them."""

import base64
import json
from collections.abc import Mapping
from types import MappingProxyType

import pytest

from aiotracker import DeadLetter, DropReason, Kind, Record
from aiotracker.cli.letter_table import full_text, summary, table

ORDER = {
    "schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0",
    "data": {"schema": "iglu:com.acme/order/jsonschema/1-0-2", "data": {"id": "ä"}},
}
EVENT_ID = "61000000-0000-0000-0000-000000000000"


def letter(
    number: int = 1, detail: str = "400 Bad Request", event: Mapping[str, str] = MappingProxyType({})
) -> DeadLetter:
    """Return a letter with an event."""
    data = json.dumps({"eid": EVENT_ID, "e": "pv", **event}, separators=(",", ":")).encode()[:-1]
    return DeadLetter(f"{number:03}", Record(Kind.ORDINARY, data), DropReason.REJECTED, detail, 0, 90_061_002)


def encoded(value: object) -> str:
    """Return JSON as an event has it in base64."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"e": "pv", "url": "https://acme.com/"}, "page_view"),
        ({"e": "se", "se_ca": "cart", "se_ac": "add"}, "struct cart/add"),
        ({"e": "se"}, "struct /"),
        ({"e": "ue", "ue_pr": json.dumps(ORDER)}, "com.acme/order/1-0-2"),
        ({"e": "ue", "ue_px": encoded(ORDER)}, "com.acme/order/1-0-2"),
        ({"e": "ue", "ue_px": "§"}, "unstruct"),
        ({"e": "ue", "ue_pr": "[]"}, "unstruct"),
        ({"e": "ue", "ue_pr": "{"}, "unstruct"),
        ({"e": "ue", "ue_pr": '{"data": {"schema": "no\\nkey"}}'}, "no key"),
        ({"e": "ue"}, "unstruct"),
        ({"e": "\x1b[2J"}, " [2J"),
        ({}, "unknown"),
    ],
)
def test_an_event_is_summed_up_in_a_few_words(event: dict[str, object], expected: str) -> None:
    """By the names that the pipeline gives it, and by its schema where it has one."""
    assert expected == summary(event)


def test_a_page_is_a_table() -> None:
    """One line a letter, in columns."""
    struct = {"e": "se", "se_ca": "a", "se_ac": "b"}

    lines = list(table([letter(1), letter(12, event=struct)], is_first=True, max_width=None))

    assert [
        "ID   DROPPED (UTC)        REASON    EVENT ID                              EVENT       DETAIL",
        f"001  1970-01-02 01:01:01  rejected  {EVENT_ID}  page_view   400 Bad Request",
        f"012  1970-01-02 01:01:01  rejected  {EVENT_ID}  struct a/b  400 Bad Request",
    ] == lines


def test_headings_stand_above_the_first_page_only() -> None:
    """And lines are no longer than the terminal is wide."""
    lines = list(table([letter()], is_first=False, max_width=20))

    assert ["001  1970-01-02 01:…"] == lines


def test_what_a_server_answered_steers_no_terminal() -> None:
    """Control characters are spaces."""
    (line,) = table([letter(detail="503\n\x1b]0;title\x07 busy")], is_first=False, max_width=None)

    assert line.endswith("503 ]0;title  busy")


def test_a_letter_that_cannot_be_read_is_a_line_all_the_same() -> None:
    """A table must show what is there."""
    broken = DeadLetter("1", Record(Kind.ORDINARY, b'{"eid":"'), DropReason.REJECTED, "", 0, 0)

    (line,) = table([broken], is_first=False, max_width=None)

    assert "unreadable" in line


@pytest.mark.parametrize("event", [{"ue_pr": json.dumps(ORDER)}, {"ue_px": encoded(ORDER)}])
def test_a_letter_in_full_is_unpacked(event: dict[str, str]) -> None:
    """Text in text in text is hard to read."""
    shown = json.loads(full_text(letter(event=event)))

    assert {"eid": EVENT_ID, "e": "pv", "ue_pr": ORDER} == shown["event"]
    assert ("001", "rejected", "400 Bad Request") == (shown["id"], shown["reason"], shown["detail"])


def test_what_cannot_be_unpacked_is_shown_as_it_is() -> None:
    """It may be what the collector refused."""
    shown = json.loads(full_text(letter(event={"ue_px": "§", "co": "{"})))

    assert {"ue_pr": "§", "co": "{"}.items() <= shown["event"].items()
