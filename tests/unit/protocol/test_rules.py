"""The rules of the protocol, strict: what a constructor keeps, and what it refuses with the rule."""

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID

import pytest

from aiotracker import PipelineWarning
from aiotracker.protocol import fields
from aiotracker.protocol.fields import FIELDS, PLATFORMS, Field, Rule
from aiotracker.protocol.rules import epoch_ms, is_uuid, normal, wire

EMOJI = "\U0001f600"  # two UTF-16 units
TEXTS = [field for field in FIELDS.values() if field.rule is Rule.TEXT]
UUIDS = [fields.EVENT_ID, fields.DOMAIN_SESSION_ID]
WRITTEN_BY_THE_ENCODER = {Rule.EVENT_CODE, Rule.JSON, Rule.BASE64_JSON, Rule.IGNORED}
ID = "0f7c6f1e-6f2b-4b0c-9b39-0a4f5f6a7b8c"


class Size(StrEnum):
    """An enum of texts."""

    LARGE = "large"


class Colour(str, Enum):  # noqa: UP042 - its str() is not its value, unlike a StrEnum's
    """An enum of texts as it was written before Python 3.11."""

    RED = "red"


class Platform(str, Enum):  # noqa: UP042 - as above
    """Platforms as a user's own enum."""

    WEB = "web"


class Count(IntEnum):
    """An enum of numbers."""

    TWO = 2


class Level(int, Enum):
    """Likewise, with a `str()` that is not its value."""

    HIGH = 3


def refusal(field: Field, value: object) -> str:
    """Return the rule with which a value is refused."""
    with pytest.raises(ValueError, match=r"\w") as caught:
        normal(field, value)
    return str(caught.value)


def sent(field: Field, value: object) -> str:
    """Return the text that a value travels as."""
    return wire(normal(field, value))


@pytest.mark.parametrize("field", TEXTS, ids=lambda field: field.key)
def test_a_text_may_have_as_many_units_as_its_limit(field: Field) -> None:
    """The limit is reached with ASCII, and with emojis of two units each."""
    assert field.max_length is not None
    longest = "x" * field.max_length
    emojis = EMOJI * (field.max_length // 2)

    assert (longest, emojis) == (normal(field, longest), normal(field, emojis))
    assert f"has {field.max_length + 1:,} characters" in refusal(field, longest + "x")
    assert f"more than {field.max_length:,}: cut it, or use the clipped" in refusal(field, EMOJI + emojis)


@pytest.mark.parametrize(
    ("value", "is_good"), [("\t" * 250, True), ("\t" * 251, False), ("\n" + "x" * 1000, True)]
)
def test_the_length_of_a_text_is_that_of_its_stored_form(value: str, is_good: bool) -> None:  # noqa: FBT001
    """A tab is stored as four spaces, other controls not at all; the text itself travels as it is."""
    if is_good:
        assert value == normal(fields.CATEGORY, value)
    else:
        assert "has 1,004 characters" in refusal(fields.CATEGORY, value)


@pytest.mark.parametrize("value", [1, 1.5, None, True, b"x", ["x"], UUID(ID), object()])
def test_a_text_is_text(value: object) -> None:
    """Nothing is turned into text behind the caller's back."""
    assert "must be text, not" in refusal(fields.USER_ID, value)


@pytest.mark.parametrize("field", [fields.USER_ID, fields.PAGE_URL], ids=lambda field: field.key)
def test_half_a_surrogate_pair_is_no_text(field: Field) -> None:
    """No UTF-8 request can carry it."""
    assert "has half a surrogate pair" in refusal(field, "a\ud83d")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (fields.CATEGORY, Size.LARGE, "large"),
        (fields.CATEGORY, Colour.RED, "red"),
        (fields.PLATFORM, Platform.WEB, "web"),
        (fields.PAGE_URL, Colour.RED, "red"),
        (fields.VALUE, Level.HIGH, "3"),
        (fields.VALUE, Count.TWO, "2"),
    ],
)
def test_an_enum_travels_as_its_value(field: Field, value: object, expected: str) -> None:
    """`str()` of some enums is the name of the member, which nobody wants to send."""
    assert expected == sent(field, value)


@pytest.mark.parametrize("depth", [24, "24"])
def test_color_depth_is_a_number_of_bits(depth: int | str) -> None:
    """The pipeline has a text column for a number, so both are taken."""
    assert "24" == sent(fields.COLOR_DEPTH, depth)
    assert "must be text, not bool" in refusal(fields.COLOR_DEPTH, True)  # noqa: FBT003 - the value


@pytest.mark.parametrize("field", UUIDS, ids=lambda field: field.key)
@pytest.mark.parametrize("value", [ID, ID.upper(), UUID(ID), "00000000-0000-0000-0000-000000000000"], ids=str)
def test_a_uuid_is_kept_in_lower_case(field: Field, value: str | UUID) -> None:
    """Any version is good, the nil UUID too, in the 36-character form or as an object."""
    assert str(value).lower() == normal(field, value)


@pytest.mark.parametrize("field", UUIDS, ids=lambda field: field.key)
@pytest.mark.parametrize(
    "value",
    [
        ID.replace("-", ""),
        ID.replace("0", "\u0660"),
        ID[:-1],
        f"{{{ID}}}",
        f" {ID}",
        f"{ID}\n",
        f"urn:uuid:{ID}",
        "1-1-1-1-1",
        "x" * 36,
        "",
        7,
        None,
    ],
)
def test_other_forms_of_a_uuid_are_refused(field: Field, value: object) -> None:
    """Enrich reads the hyphenated form only."""
    assert "must be a UUID in its 36-character form, as in" in refusal(field, value)


def test_is_uuid_knows_the_one_form() -> None:
    """The check by itself, for ids inside data."""
    assert [True, True, False] == [is_uuid(ID), is_uuid(ID.upper()), is_uuid(ID.replace("-", ""))]


@pytest.mark.parametrize("value", [0, -1, 2**31 - 1, -(2**31)])
def test_an_int_has_32_bits(value: int) -> None:
    """The whole range is good."""
    assert str(value) == sent(fields.DOMAIN_SESSION_INDEX, value)


@pytest.mark.parametrize(
    ("value", "phrase"),
    [
        (2**31, "must fit in 32 bits, from -2,147,483,648 to 2,147,483,647"),
        (-(2**31) - 1, "must fit in 32 bits"),
        (5.0, "must be an int, not float"),
        ("5", "must be an int, not str"),
        (True, "must be an int, not bool"),
        (Decimal(5), "must be an int, not Decimal"),
    ],
)
def test_what_is_no_int32_is_refused(value: object, phrase: str) -> None:
    """Enrich fails `5.0`, and a bool is a number by accident only."""
    assert phrase in refusal(fields.MIN_X, value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2, "2"),
        (-3, "-3"),
        (2.0, "2.0"),
        (9.99, "9.99"),
        (0.1, "0.1"),
        (1e-7, "1e-07"),
        (1e22, "1e+22"),
        (-0.0, "-0.0"),
        (Decimal("9.990"), "9.990"),
        (Decimal("1E+3"), "1E+3"),
        (Decimal("0.1234567890123456789012345"), "0.1234567890123456789012345"),
        (Decimal("9.9e308"), "9.9E+308"),
        (Decimal("1e-308"), "1E-308"),
        (10**308, "1" + "0" * 308),
        (Decimal("0e-999"), "0E-999"),
    ],
)
def test_a_decimal_keeps_its_digits(value: float | Decimal, expected: str) -> None:
    """Ints, floats and Decimals are sent as they are written, in a form that Java's BigDecimal reads."""
    assert expected == sent(fields.VALUE, value)


@pytest.mark.parametrize(
    ("value", "phrase"),
    [
        (math.nan, "must be a finite number"),
        (-math.inf, "must be a finite number"),
        (Decimal("NaN"), "must be a finite number"),
        (Decimal("sNaN"), "must be a finite number"),
        (Decimal("Infinity"), "must be a finite number"),
        (Decimal("1e309"), "must be between 1e-308 and 1e308"),
        (Decimal("1e-309"), "must be between 1e-308 and 1e308"),
        (10**309, "must be between 1e-308 and 1e308"),
        pytest.param(-(10**5000), "must be between 1e-308 and 1e308", id="huge"),
        ("9.99", "must be an int, float or Decimal, not str"),
        (True, "must be an int, float or Decimal, not bool"),
        (1j, "must be an int, float or Decimal, not complex"),
    ],
)
def test_what_is_no_decimal_is_refused(value: object, phrase: str) -> None:
    """No NaN, no infinity, nothing that a double could not hold."""
    assert phrase in refusal(fields.VALUE, value)


def test_a_flag_travels_as_1_or_0() -> None:
    """Enrich reads exactly these two."""
    assert ("1", "0") == (sent(fields.COOKIES_ENABLED, True), sent(fields.COOKIES_ENABLED, False))  # noqa: FBT003


@pytest.mark.parametrize("value", [1, 0, "1", "true", None])
def test_only_a_bool_is_a_flag(value: object) -> None:
    """A number or text might mean something else."""
    assert "must be True or False" == refusal(fields.COOKIES_ENABLED, value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_368_725_287_000, 1_368_725_287_000),
        (1_368_725_287_000.9, 1_368_725_287_000),
        (100_000_000_000, 100_000_000_000),
        (253_402_300_799_999, 253_402_300_799_999),
        (datetime(2013, 5, 16, 17, 28, 7, tzinfo=UTC), 1_368_725_287_000),
        (datetime(2013, 5, 16, 19, 28, 7, tzinfo=timezone(timedelta(hours=2))), 1_368_725_287_000),
        (datetime(2013, 5, 16, 17, 28, 7, 999_999, tzinfo=UTC), 1_368_725_287_999),
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1969, 12, 31, 23, 59, 59, 999_500, tzinfo=UTC), -1),
        (datetime(1, 1, 1, tzinfo=UTC), -62_135_596_800_000),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), 253_402_300_799_999),
    ],
)
def test_a_time_is_whole_milliseconds(value: float | datetime, expected: int) -> None:
    """Numbers are milliseconds since 1970, datetimes any moment; fractions are cut off."""
    assert expected == normal(fields.TRUE_TIMESTAMP, value)


@pytest.mark.parametrize(
    ("value", "phrase"),
    [
        (datetime(2013, 5, 16), "without a time zone: use datetime.now(timezone.utc)"),  # noqa: DTZ001
        (1_368_725_287, "if these are seconds, multiply by 1,000"),
        (1_368_725_287.5, "if these are seconds"),
        (99_999_999_999, "is before March 1973"),
        (0, "is before March 1973"),
        (-1, "an older time is given as a datetime"),
        (1_368_725_287_000_000, "are these micro- or nanoseconds?"),
        (253_402_300_800_000, "is after the year 9999"),
        (10**400, "is after the year 9999"),
        (math.nan, "must be a finite number of milliseconds"),
        (math.inf, "must be a finite number of milliseconds"),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))), "is after the year 9999 in UTC"),
        ("2013-05-16T17:28:07Z", "must be milliseconds since 1970"),
        (date(2013, 5, 16), "must be milliseconds since 1970"),
        (True, "or an aware datetime"),
    ],
)
def test_what_is_no_time_is_refused(value: object, phrase: str) -> None:
    """Other units and naive datetimes are mistakes in all likelihood, and each gets its remedy."""
    assert phrase in refusal(fields.CREATED_AT, value)


def test_milliseconds_are_exact() -> None:
    """No float stands between a datetime and its milliseconds."""
    moment = datetime(2262, 4, 11, 23, 47, 16, 854_999, tzinfo=UTC)

    assert 9_223_372_036_854 == epoch_ms(moment)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1280x720", "1280x720"),
        ((1280, 720), "1280x720"),
        ([1280, 720], "1280x720"),
        ((1, 2**31 - 1), "1x2147483647"),
    ],
)
def test_dimensions_are_two_whole_numbers(value: object, expected: str) -> None:
    """As text or as a pair."""
    assert expected == sent(fields.VIEWPORT, value)


@pytest.mark.parametrize(
    ("value", "phrase"),
    [
        ("1280X720", "must be WIDTHxHEIGHT in whole pixels, as in 1280x720, or (1280, 720)"),
        ("10.5x20", "must be WIDTHxHEIGHT"),
        ("1280x720 ", "must be WIDTHxHEIGHT"),
        ("1280", "must be WIDTHxHEIGHT"),
        ("-1x1", "must be WIDTHxHEIGHT"),
        ("\u0661x\u0661", "must be WIDTHxHEIGHT"),
        ((1280,), "must be WIDTHxHEIGHT"),
        (1280, "must be WIDTHxHEIGHT"),
        ((1280.0, 720), "must be two whole numbers"),
        (("1280", "720"), "must be two whole numbers"),
        ((True, True), "must be two whole numbers"),
        ((0, 720), "must have sides from 1 to 2,147,483,647"),
        ("1x2147483648", "must have sides from 1 to 2,147,483,647"),
        ((-1, 1), "must be WIDTHxHEIGHT"),
    ],
)
def test_what_is_no_dimension_is_refused(value: object, phrase: str) -> None:
    """Enrich reads WxH with a small x, both 32 bits; a side of zero is a mistake."""
    assert phrase in refusal(fields.SCREEN_RESOLUTION, value)


@pytest.mark.parametrize(
    "value",
    [
        "203.0.113.7",
        IPv4Address("203.0.113.7"),
        "2001:DB8::1",
        "::1",
        "::ffff:203.0.113.7",
        IPv6Address("2001:db8::1"),
        "fe80::1%eth0",
        IPv6Address("fe80::1%eth0"),
    ],
    ids=str,
)
def test_an_address_is_sent_as_it_is(value: object) -> None:
    """IPv4 and IPv6, as text or as an object."""
    assert str(value) == sent(fields.IP_ADDRESS, value)


@pytest.mark.parametrize(
    "value",
    [
        "203.0.113.7:80",
        "203.0.113.07",
        "203.0.113.7, 198.51.100.1",
        "34.633.11.139",
        "[::1]",
        " ::1",
        "fe80::1%a b",
        "fe80::1%\ud83d",
        "fe80::1%" + "x" * 128,
        IPv6Address("fe80::1%a,b"),
        "localhost",
        " ",
        ",",
        "|",
        "",
        b"1234",
        7,
        None,
    ],
)
def test_what_is_no_address_is_refused(value: object) -> None:
    """Enrich checks nothing, but blanks stop it, and no warehouse is better off with nonsense."""
    assert "address" in refusal(fields.IP_ADDRESS, value)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_platform_is_taken(platform: str) -> None:
    """All nine, `headset` too."""
    assert platform == normal(fields.PLATFORM, platform)


@pytest.mark.parametrize("value", ["coffee", "WEB", " web", "", None, 7, ["web"]])
def test_other_platforms_are_refused(value: object) -> None:
    """The message lists the good ones."""
    assert "must be one of web, mob, pc, srv, app, tv, cnsl, iot, headset" == refusal(fields.PLATFORM, value)


def test_a_bad_url_says_what_it_would_do() -> None:
    """The rules of URLs stand in `page_url`; here they gain their consequence."""
    assert "has no host after //; Enrich would fail the event" == refusal(fields.PAGE_URL, "http://")
    assert "must be text, not int: pass str(…) of it" == refusal(fields.REFERRER, 7)


def test_a_long_url_is_taken_with_a_warning() -> None:
    """What fails on older versions only is accepted; the warning points at the caller's own line."""
    url = "https://acme.com/?" + "q" * 4096

    with pytest.warns(PipelineWarning, match="fails on Enrich before 6") as caught:
        kept = normal(fields.PAGE_URL, url)

    assert url == kept
    assert __file__ == caught[0].filename


@pytest.mark.parametrize(
    "field", [f for f in FIELDS.values() if f.rule in WRITTEN_BY_THE_ENCODER], ids=lambda field: field.key
)
def test_what_the_encoder_writes_cannot_be_given(field: Field) -> None:
    """Event codes and JSON have no Python value of their own."""
    assert "is written by the encoder" in refusal(field, "x")
