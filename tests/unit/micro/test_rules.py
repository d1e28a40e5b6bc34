"""How wire text is read, rule by rule."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotracker.micro import rules
from aiotracker.micro.rules import READERS, Cell, Refusal
from aiotracker.protocol.fields import EVENT_NAMES, PLATFORMS, Rule

UUID = "0f14d0ab-9605-4a62-a9e4-5ed26688389b"

TAKEN: list[tuple[Rule, str, Cell | None]] = [
    (Rule.TEXT, "shop", "shop"),
    (Rule.TEXT, "a\tb", "a    b"),
    (Rule.TEXT, "a\nb\x00c\x7fd\x1fe", "abcde"),
    (Rule.TEXT, "a\x80b\x9fc", "a\x80b\x9fc"),
    (Rule.TEXT, "", None),
    (Rule.TEXT, "\r\n", None),
    (Rule.TEXT, " ", " "),
    (Rule.TEXT, "null", "null"),
    (Rule.TEXT, "Grüße 😀", "Grüße 😀"),
    (Rule.TEXT, "\ud800", "\ud800"),
    (Rule.UUID, UUID, UUID),
    (Rule.UUID, UUID.upper(), UUID),
    (Rule.UUID, "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000"),
    (Rule.UUID, "0f14d0ab-9605-7a62-19e4-5ed26688389b", "0f14d0ab-9605-7a62-19e4-5ed26688389b"),
    (Rule.INT32, "5", 5),
    (Rule.INT32, "+5", 5),
    (Rule.INT32, "-5", -5),
    (Rule.INT32, "007", 7),
    (Rule.INT32, "0" * 5000, 0),
    (Rule.INT32, "2147483647", 2147483647),
    (Rule.INT32, "-2147483648", -2147483648),
    (Rule.INT32, "null", None),
    (Rule.INT32, "NULL", None),
    (Rule.INT32, "\u0665", 5),
    (Rule.DECIMAL, "9.99", Decimal("9.99")),
    (Rule.DECIMAL, ".5", Decimal("0.5")),
    (Rule.DECIMAL, "5.", Decimal(5)),
    (Rule.DECIMAL, "+1.0", Decimal("1.0")),
    (Rule.DECIMAL, "-0", Decimal(0)),
    (Rule.DECIMAL, "1e3", Decimal(1000)),
    (Rule.DECIMAL, "1E-3", Decimal("0.001")),
    (Rule.DECIMAL, "1e400", Decimal("1e400")),
    (Rule.DECIMAL, "\u0665.\u0665", Decimal("5.5")),
    (Rule.DECIMAL, "null", None),
    (Rule.DECIMAL, "Null", None),
    (Rule.FLAG, "1", True),
    (Rule.FLAG, "0", False),
    (Rule.EPOCH_MS, "1790000000250", 1790000000250),
    (Rule.EPOCH_MS, "0", 0),
    (Rule.EPOCH_MS, "-1", -1),
    (Rule.EPOCH_MS, "+1", 1),
    (Rule.EPOCH_MS, "1790000000", 1790000000),
    (Rule.EPOCH_MS, "253402300799999", 253402300799999),
    (Rule.EPOCH_MS, "-62167219200000", -62167219200000),
    (Rule.EPOCH_MS, "\u0661", 1),
    (Rule.ADDRESS, "203.0.113.7", "203.0.113.7"),
    (Rule.ADDRESS, "203.0.113.7, 10.0.0.1", "203.0.113.7"),
    (Rule.ADDRESS, "203.0.113.7|10.0.0.1", "203.0.113.7"),
    (Rule.ADDRESS, "203.0.113.7 10.0.0.1", "203.0.113.7"),
    (Rule.ADDRESS, "2001:db8::1", "2001:db8::1"),
    (Rule.ADDRESS, "no address", "no"),
    (Rule.ADDRESS, " 203.0.113.7", None),
    (Rule.ADDRESS, ",203.0.113.7", None),
    (Rule.ADDRESS, "", None),
    (Rule.PAGE_URL, "http://a.com/\tb", "http://a.com/    b"),
    (Rule.REFERRER_URL, "", None),
    *((Rule.PLATFORM, code, code) for code in PLATFORMS),
    *((Rule.EVENT_CODE, code, name) for code, name in EVENT_NAMES.items()),
    (Rule.EVENT_CODE, "ad", "ad_impression"),
]

REFUSED: list[tuple[Rule, str]] = [
    (Rule.UUID, ""),
    (Rule.UUID, f" {UUID}"),
    (Rule.UUID, f"{UUID}\n"),
    (Rule.UUID, f"{{{UUID}}}"),
    (Rule.UUID, UUID.replace("-", "")),
    (Rule.UUID, "1-1-1-1-1"),
    (Rule.UUID, "0f14d0ab-9605-4a62-a9e4-5ed26688389g"),
    (Rule.UUID, "null"),
    (Rule.INT32, ""),
    (Rule.INT32, " 5"),
    (Rule.INT32, "5 "),
    (Rule.INT32, "5\n"),
    (Rule.INT32, "5.0"),
    (Rule.INT32, "1e3"),
    (Rule.INT32, "1_000"),
    (Rule.INT32, "0x10"),
    (Rule.INT32, "+"),
    (Rule.INT32, "--5"),
    (Rule.INT32, "2147483648"),
    (Rule.INT32, "-2147483649"),
    (Rule.INT32, "9" * 5000),
    (Rule.INT32, "True"),
    (Rule.INT32, "\U0001d7d3"),
    (Rule.DECIMAL, ""),
    (Rule.DECIMAL, " 1"),
    (Rule.DECIMAL, "1,5"),
    (Rule.DECIMAL, "NaN"),
    (Rule.DECIMAL, "Infinity"),
    (Rule.DECIMAL, "."),
    (Rule.DECIMAL, "e3"),
    (Rule.DECIMAL, "1e"),
    (Rule.DECIMAL, "1_000"),
    (Rule.DECIMAL, "1e2147483648"),
    (Rule.DECIMAL, "1e99999999999999999999"),
    (Rule.DECIMAL, "9.99 EUR"),
    (Rule.FLAG, ""),
    (Rule.FLAG, "true"),
    (Rule.FLAG, "True"),
    (Rule.FLAG, "2"),
    (Rule.FLAG, "01"),
    (Rule.FLAG, "null"),
    (Rule.EPOCH_MS, ""),
    (Rule.EPOCH_MS, "null"),
    (Rule.EPOCH_MS, "1790000000250.0"),
    (Rule.EPOCH_MS, "1.79e12"),
    (Rule.EPOCH_MS, " 1790000000250"),
    (Rule.EPOCH_MS, "2026-01-31T12:00:00Z"),
    (Rule.EPOCH_MS, "253402300800000"),
    (Rule.EPOCH_MS, "-62167219200001"),
    (Rule.EPOCH_MS, "9" * 19),
    (Rule.EPOCH_MS, "9" * 5000),
    (Rule.ADDRESS, " "),
    (Rule.ADDRESS, ","),
    (Rule.ADDRESS, "|"),
    (Rule.ADDRESS, ", "),
    (Rule.PLATFORM, ""),
    (Rule.PLATFORM, "WEB"),
    (Rule.PLATFORM, "web "),
    (Rule.PLATFORM, "server"),
    (Rule.EVENT_CODE, ""),
    (Rule.EVENT_CODE, "PV"),
    (Rule.EVENT_CODE, "page_view"),
    (Rule.EVENT_CODE, "xx"),
]


@pytest.mark.parametrize(("rule", "text", "expected"), TAKEN)
def test_a_text_that_keeps_its_rule_is_read(rule: Rule, text: str, expected: Cell | None) -> None:
    """What Enrich takes becomes the value that it stores; None stands for null."""
    value = READERS[rule](text)

    assert (expected, type(expected)) == (value, type(value))


@pytest.mark.parametrize(("rule", "text"), REFUSED)
def test_a_text_that_breaks_its_rule_is_refused(rule: Rule, text: str) -> None:
    """What Enrich fails is refused, with a reason."""
    value = READERS[rule](text)

    assert isinstance(value, Refusal)
    assert value.reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0x0", (0, 0)),
        ("1920x1080", (1920, 1080)),
        ("007x2147483647", (7, 2147483647)),
    ],
)
def test_dimensions_are_two_whole_numbers(text: str, expected: tuple[int, int]) -> None:
    """Width and height stand around a lower-case x."""
    assert expected == rules.read_dimensions(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1920",
        "1920x",
        "x1080",
        "1920X1080",
        "1920×1080",
        "1920x1080 ",
        " 1920x1080",
        "1920x1080\n",
        "10.5x20",
        "-1x5",
        "+1x5",
        "2147483648x1",
        "1x" + "9" * 5000,
        "\u0665x\u0665",
        "nullxnull",
    ],
)
def test_other_dimensions_are_refused(text: str) -> None:
    """Nothing but ASCII digits, each of both within 32 bits."""
    assert isinstance(rules.read_dimensions(text), Refusal)


@pytest.mark.parametrize("read", [*READERS.values(), rules.read_dimensions])
@given(text=st.text(st.characters(categories=None)))
def test_no_text_makes_a_reader_raise(read: Callable[[str], object], text: str) -> None:
    """Whatever arrives, a reader answers."""
    read(text)


@given(st.sampled_from(["int32", "decimal", "epoch_ms"]), st.from_regex(r"[+-]?[0-9.eE+\-]{1,40}"))
def test_no_number_makes_a_reader_raise(rule: str, text: str) -> None:
    """Numbers of every length and exponent are answered, too."""
    READERS[Rule(rule)](text)


@pytest.mark.parametrize(
    ("text", "expected"), [("", 0), ("abc", 3), ("ü", 1), ("😀", 2), ("a😀b", 4), ("\ud800", 1)]
)
def test_lengths_are_counted_in_utf_16(text: str, expected: int) -> None:
    """A character beyond U+FFFF counts twice, as in Java."""
    assert expected == rules.utf16_length(text)
