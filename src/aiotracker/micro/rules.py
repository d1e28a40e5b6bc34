"""How the pipeline reads the wire text of one field.

Owns one reader per rule, written from what Enrich does and not from what the tracker checks: only
so can the one find the mistakes of the other. Knows no other field and no request; JSON is read in
`self_describing`, the parts of a URL in `urls`. A reader returns a value, None for "nothing there",
or a `Refusal`, and raises for no text whatsoever.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final, TypeAlias

from aiotracker.protocol.fields import EVENT_NAMES, PLATFORMS, Rule

__all__ = [
    "READERS",
    "Cell",
    "Refusal",
    "read_dimensions",
    "read_epoch_ms",
    "read_text",
    "read_uuid",
    "utf16_length",
]

MAX_INT32: Final = 2**31 - 1
MAX_INT32_DIGITS: Final = 10
MAX_EPOCH_MS: Final = 253_402_300_799_999  # the last millisecond of the year 9999
MIN_EPOCH_MS: Final = -62_167_219_200_000  # the first one of the year 0
MAX_EPOCH_DIGITS: Final = 15
AD_IMPRESSION: Final = "ad_impression"  # Enrich knows the code `ad`, and fails the event later

# Java's parsers take every decimal digit of Unicode, and see characters beyond U+FFFF as two.
_DIGIT = r"(?:(?![\U00010000-\U0010FFFF])\d)"
_INTEGER = re.compile(rf"([+-]?)({_DIGIT}+)")
_DECIMAL = re.compile(
    rf"[+-]?(?:{_DIGIT}+\.?{_DIGIT}*|\.{_DIGIT}+)(?:[eE]([+-]?)({_DIGIT}+))?",
)
_DIMENSIONS = re.compile(r"([0-9]+)x([0-9]+)")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ADDRESS_SEPARATORS = re.compile(r"[,| ]")

_CONTROL_CHARACTERS = dict.fromkeys((*range(0x20), 0x7F)) | {ord("\t"): "    "}

Cell: TypeAlias = str | int | bool | Decimal  # a value of an enriched column


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a text cannot be read.

    Attributes:
        reason: what the rule wants, as a phrase that follows the name of the field.
    """

    reason: str


NOT_A_UUID: Final = Refusal("is not a UUID in the hyphenated form of 36 characters")
NOT_AN_INT32: Final = Refusal("is not a whole number between -2147483648 and 2147483647")
NOT_A_DECIMAL: Final = Refusal("is not a decimal number")
NOT_A_FLAG: Final = Refusal("is neither 1 nor 0")
NOT_AN_EPOCH: Final = Refusal("is not epoch milliseconds of a year between 0 and 9999")
NOT_DIMENSIONS: Final = Refusal("is not WIDTHxHEIGHT in whole numbers")
NOT_AN_ADDRESS: Final = Refusal("has nothing but separators")
NOT_A_PLATFORM: Final = Refusal(f"is not one of {', '.join(PLATFORMS)}")
NOT_AN_EVENT: Final = Refusal(f"is not one of {', '.join((*EVENT_NAMES, 'ad'))}")


def read_text(text: str) -> str | None:
    """Turn tabs into four spaces and delete the other ASCII control characters.

    Source: Enrich 6.10, `ConversionUtils.scala` (`makeTsvSafe`).
    """
    if not text.isprintable():
        text = text.translate(_CONTROL_CHARACTERS)
    return text or None


def read_uuid(text: str) -> str | Refusal:
    """Read a UUID of any version; it is kept in lower case.

    Source: Enrich 6.10, `ConversionUtils.scala` (`validateUuid`).
    """
    return text.lower() if _UUID.fullmatch(text) else NOT_A_UUID


def read_int32(text: str) -> int | Refusal | None:
    """Read a 32-bit number; the word `null` in any case means none.

    Source: Enrich 6.10, `ConversionUtils.scala` (`stringToJInteger2`).
    """
    parts = _INTEGER.fullmatch(text)
    if parts is None:
        return None if text.lower() == "null" else NOT_AN_INT32
    number = _whole_number(parts[1], parts[2], MAX_INT32_DIGITS)
    return number if number is not None and -MAX_INT32 - 1 <= number <= MAX_INT32 else NOT_AN_INT32


def read_decimal(text: str) -> Decimal | Refusal | None:
    """Read the text of a Java `BigDecimal`, exponents included; the word `null` means none.

    Source: Enrich 6.10, `ConversionUtils.scala` (`stringToJBigDecimal`).
    """
    parts = _DECIMAL.fullmatch(text)
    if parts is None:
        return None if text.lower() == "null" else NOT_A_DECIMAL
    if parts[2] is not None:
        exponent = _whole_number(parts[1], parts[2], MAX_INT32_DIGITS)
        if exponent is None or abs(exponent) > MAX_INT32:
            return NOT_A_DECIMAL
    return Decimal(text)


def read_flag(text: str) -> bool | Refusal:
    """Read exactly `1` or `0`.

    Source: Enrich 6.10, `ConversionUtils.scala` (`stringToBooleanLikeJByte`).
    """
    if text == "1":
        return True
    return False if text == "0" else NOT_A_FLAG


def read_epoch_ms(text: str) -> int | Refusal:
    """Read a 64-bit number of milliseconds whose year has at most four digits.

    Source: Enrich 6.10, `EventEnrichments.scala` (`extractTimestamp`).
    """
    parts = _INTEGER.fullmatch(text)
    number = _whole_number(parts[1], parts[2], MAX_EPOCH_DIGITS) if parts else None
    return number if number is not None and MIN_EPOCH_MS <= number <= MAX_EPOCH_MS else NOT_AN_EPOCH


def read_dimensions(text: str) -> tuple[int, int] | Refusal:
    """Read width and height around a lower-case `x`.

    Source: Enrich 6.10, `ClientEnrichments.scala` (`extractViewDimensions`).
    """
    parts = _DIMENSIONS.fullmatch(text)
    if parts is None:
        return NOT_DIMENSIONS
    width, height = (_whole_number("", digits, MAX_INT32_DIGITS) for digits in parts.groups())
    if width is None or height is None or max(width, height) > MAX_INT32:
        return NOT_DIMENSIONS
    return width, height


def read_address(text: str) -> str | Refusal | None:
    """Take what stands before the first comma, bar or space; nothing checks that it is an address.

    Source: Enrich 6.10, `EventEnrichments.scala` (`extractIp`). A value of separators alone throws
    out of Enrich 3.9, so it is refused here.
    """
    if text and not _ADDRESS_SEPARATORS.sub("", text):
        return NOT_AN_ADDRESS
    return read_text(_ADDRESS_SEPARATORS.split(text, maxsplit=1)[0])


def read_platform(text: str) -> str | Refusal:
    """Read a platform code.

    Source: Enrich 6.10, `MiscEnrichments.scala` (`extractPlatform`).
    """
    return text if text in PLATFORMS else NOT_A_PLATFORM


def read_event_code(text: str) -> str | Refusal:
    """Turn an event code into the pipeline's name of the event.

    Source: Enrich 6.10, `EventEnrichments.scala` (`extractEventType`).
    """
    name = EVENT_NAMES.get(text)
    if name is not None:
        return name
    return AD_IMPRESSION if text == "ad" else NOT_AN_EVENT


READERS: Final[Mapping[Rule, Callable[[str], Cell | Refusal | None]]] = MappingProxyType(
    {
        Rule.TEXT: read_text,
        Rule.UUID: read_uuid,
        Rule.INT32: read_int32,
        Rule.DECIMAL: read_decimal,
        Rule.FLAG: read_flag,
        Rule.EPOCH_MS: read_epoch_ms,
        Rule.ADDRESS: read_address,
        Rule.PAGE_URL: read_text,
        Rule.REFERRER_URL: read_text,
        Rule.PLATFORM: read_platform,
        Rule.EVENT_CODE: read_event_code,
    }
)
"""The reader of every rule that fills one column with one value."""


def utf16_length(text: str) -> int:
    """Return the length that Java's `String.length` gives."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _whole_number(sign: str, digits: str, max_digits: int) -> int | None:
    """Return the number, None when it has more digits than any number within the limits.

    Counted first: Python's `int()` refuses texts of thousands of digits with an error of its own.
    """
    if len(digits) > max_digits:
        digits = digits.lstrip("0")  # zeros of other scripts count, which nobody sends
        if len(digits) > max_digits:
            return None
    number = int(digits or "0")
    return -number if sign == "-" else number
