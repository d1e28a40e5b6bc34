"""The rules of the protocol, lenient: what is saved of a value that comes from outside."""

from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from uuid import UUID

import pytest

from aiotracker.protocol import fields
from aiotracker.protocol.fields import FIELDS, Field, Rule
from aiotracker.protocol.rules import clipped, normal

EMOJI = "\U0001f600"
ID = "0f7c6f1e-6f2b-4b0c-9b39-0a4f5f6a7b8c"
OLD = datetime(1969, 7, 20, 20, 17, tzinfo=UTC)
TEXTS = [field for field in FIELDS.values() if field.rule is Rule.TEXT]


class Colour(str, Enum):  # noqa: UP042 - its str() is not its value
    """An enum of texts."""

    RED = "red"


class Page:
    """What has a text at heart, as the URL objects of web frameworks have."""

    def __str__(self) -> str:
        """Return the text."""
        return "https://acme.com/"


@pytest.mark.parametrize("field", TEXTS, ids=lambda field: field.key)
def test_a_text_is_cut_to_its_limit(field: Field) -> None:
    """What is kept has exactly the limit, or one unit less where an emoji would be split."""
    assert field.max_length is not None
    limit = field.max_length

    cut = clipped(field, "x" * (limit + 1))
    emojis = clipped(field, EMOJI * limit)

    assert "x" * limit == cut
    assert EMOJI * (limit // 2) == emojis


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (fields.USER_ID, 7, "7"),
        (fields.USER_ID, Colour.RED, "red"),
        (fields.USER_ID, UUID(ID), ID),
        (fields.USER_ID, "a\ud83d", "a\ufffd"),
        (fields.USER_ID, "", None),
        (fields.USER_ID, ["a"], None),
        (fields.USER_ID, {"a": 1}, None),
        (fields.USER_ID, b"a", None),
        pytest.param(fields.USER_ID, 10**5000, None, id="huge-text"),
        (fields.CATEGORY, "\t" * 1000, " " * 1000),
        (fields.EVENT_ID, ID.upper(), ID),
        (fields.EVENT_ID, "x", None),
        (fields.MIN_X, "+5", 5),
        (fields.MIN_X, 5, 5),
        (fields.MIN_X, "5.0", None),
        (fields.MIN_X, 5.0, None),
        (fields.MIN_X, True, None),
        (fields.MIN_X, "9999999999", None),
        (fields.MIN_X, "9" * 5000, None),
        (fields.VALUE, "9.990", Decimal("9.990")),
        (fields.VALUE, "-3", Decimal(-3)),
        (fields.VALUE, 2.5, 2.5),
        (fields.VALUE, "1e3", None),
        (fields.VALUE, "nan", None),
        (fields.VALUE, float("inf"), None),
        (fields.VALUE, True, None),
        pytest.param(fields.VALUE, 10**5000, None, id="huge-number"),
        (fields.COOKIES_ENABLED, False, False),
        (fields.COOKIES_ENABLED, "1", None),
        (fields.TRUE_TIMESTAMP, 1_368_725_287_000, 1_368_725_287_000),
        (fields.TRUE_TIMESTAMP, 1_368_725_287, None),
        (fields.TRUE_TIMESTAMP, 10**400, None),
        (fields.TRUE_TIMESTAMP, "now", None),
        (fields.TRUE_TIMESTAMP, OLD, OLD),
        (fields.VIEWPORT, " 1280X720 ", "1280x720"),
        (fields.VIEWPORT, (1280, 720), "1280x720"),
        (fields.VIEWPORT, "0x0", None),
        (fields.VIEWPORT, (1280.5, 720), None),
        (fields.IP_ADDRESS, " 203.0.113.7\n", "203.0.113.7"),
        (fields.IP_ADDRESS, "unknown", None),
        (fields.IP_ADDRESS, "fe80::1%\ud83d", None),
        (fields.PLATFORM, "headset", "headset"),
        (fields.PLATFORM, "coffee", None),
        (fields.PAGE_URL, "https://acme.com/\ud83d", "https://acme.com/\ufffd"),
        (fields.PAGE_URL, Page(), "https://acme.com/"),
        (fields.PAGE_URL, b"https://acme.com/", None),
        (fields.PAGE_URL, "http://a|b/", None),
        (fields.REFERRER, "https://acme.com/?_sp=a.b", "https://acme.com/?_sp=a.b"),
        (fields.PAGE_URL, "https://acme.com/?_sp=a.b", "https://acme.com/"),
        (fields.EVENT, "pv", None),
    ],
)
def test_what_can_be_saved_is(field: Field, value: object, expected: object) -> None:
    """Numbers given as text are read, text is cut; what cannot be valid is nothing, never an error."""
    actual = clipped(field, value)

    assert expected == actual


@pytest.mark.parametrize("field", FIELDS.values(), ids=lambda field: field.key)
@pytest.mark.parametrize(
    "value", ["x" * 20_000, "\ud83d" * 5, "\t\0", None, 10**400, [], float("nan"), ID], ids=range(8)
)
def test_what_is_saved_is_good(field: Field, value: object) -> None:
    """The strict reading takes whatever the lenient one returns."""
    saved = clipped(field, value)

    assert saved is None or normal(field, saved) is not None
