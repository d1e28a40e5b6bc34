"""The rules of the tracker protocol: from a Python value to the text that the pipeline takes.

`normal(field, value)` is the strict reading, used by constructors: it returns the value in the form
in which it is kept, or raises `ValueError` with a rule that says what to do. `clipped(field, value)` is
the lenient reading for data from outside: it returns what can be saved, or None.
`wire(field, value)` writes a kept value. All three are pure.

The rules are those of Enrich (6.10: `ConversionUtils.scala`, `EventEnrichments.scala`,
`ClientEnrichments.scala`, `AtomicFieldsLengthValidator.scala`), tightened where a value is legal and
certainly a mistake; each such place says so.
"""

from __future__ import annotations

import ipaddress
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from aiotracker.errors import PipelineWarning, warn_caller
from aiotracker.protocol.fields import MAX_DECIMAL_EXPONENT, MAX_EPOCH_MS, PLATFORMS, Field, Rule
from aiotracker.protocol.page_url import clip_url, is_for_new_enrich, url_violation
from aiotracker.protocol.text import cut, has_lone_surrogate, stored, utf16_length

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["clipped", "epoch_ms", "is_uuid", "normal", "wire"]

MIN_INT32: Final = -(2**31)
MAX_INT32: Final = 2**31 - 1
MIN_PLAIN_EPOCH_MS: Final = 100_000_000_000
"""March 1973. A plain number below it is seconds in all likelihood; an older time is given as datetime."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UUID: Final = re.compile(
    r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}", re.ASCII
)
_ZONE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)  # of an IPv6 address: the name of an interface
_DIMENSIONS: Final = re.compile(r"([0-9]{1,10})x([0-9]{1,10})", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,10}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?", re.ASCII)
_SHAPELESS: Final = (bytes, bytearray, memoryview, Mapping, Sequence, AbstractSet)  # no text at heart


def normal(field: Field, value: object) -> object:
    """Return a value in the form in which it is kept and sent.

    Raises:
        ValueError: the value breaks the field's rule; the message is the rule.
    """
    return _NORMAL[field.rule](field, value)


def clipped(field: Field, value: object) -> object | None:
    """Return what the pipeline takes of a value from outside, or None when nothing does."""
    lenient = _CLIPPED.get(field.rule)
    try:
        return _NORMAL[field.rule](field, value) if lenient is None else lenient(field, value)
    except ValueError:
        return None


def wire(value: object) -> str:
    """Return the text of a kept value: every value of a payload travels as a string."""
    if value is True:
        return "1"
    if value is False:
        return "0"
    return str(value)


def is_uuid(text: str) -> bool:
    """Tell whether a text is a UUID in the 36-character form, the only one that Enrich reads."""
    return _UUID.fullmatch(text) is not None


def epoch_ms(moment: datetime) -> int:
    """Return whole milliseconds since 1970 of an aware datetime; exact, where floats would round."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _text(field: Field, value: object) -> str:
    if not isinstance(value, str):
        if field.key == "cd" and type(value) is int:  # a number of bits, given as a number everywhere
            return _text(field, str(value))
        raise ValueError(f"must be text, not {type(value).__name__}: pass str(…) of it")
    limit = field.max_length
    if has_lone_surrogate(value):
        raise ValueError("has half a surrogate pair, which is no character: decode it properly")
    # Every character is stored as four units at most, so most texts need no counting.
    if limit is not None and 4 * len(value) > limit and (length := utf16_length(stored(value))) > limit:
        raise ValueError(
            f"has {length:,} characters, the pipeline fails events with more than {limit:,}: "
            "cut it, or use the clipped(…) constructor"
        )
    return _plain(value)


def _clipped_text(field: Field, value: object) -> str | None:
    text = _written(value)
    return None if text is None else cut(text, field.max_length) or None


def _plain(text: str) -> str:
    """Return the text itself where it is of a subclass: an enum's `str()` would be the member's name."""
    return str.__str__(text)


def _written(value: object) -> str | None:
    """Return what a value from outside is as text: also numbers, UUIDs and URL objects are, lists are not."""
    if isinstance(value, str):
        return _plain(value)
    return None if isinstance(value, _SHAPELESS) else str(value)


def _uuid(field: Field, value: object) -> str:  # noqa: ARG001 - one shape for all rules
    if isinstance(value, uuid.UUID):
        return str(value)
    if not isinstance(value, str) or not is_uuid(value):
        raise ValueError(
            "must be a UUID in its 36-character form, as in 0f7c6f1e-6f2b-4b0c-9b39-0a4f5f6a7b8c"
        )
    return value.lower()  # as Enrich stores it


def _int32(field: Field, value: object) -> int:  # noqa: ARG001
    if type(value) is not int:
        raise ValueError(f"must be an int, not {type(value).__name__}")
    if not MIN_INT32 <= value <= MAX_INT32:
        raise ValueError(f"must fit in 32 bits, from {MIN_INT32:,} to {MAX_INT32:,}")
    return value


def _clipped_int32(field: Field, value: object) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    return _int32(field, value)


def _decimal(field: Field, value: object) -> int | float | Decimal:  # noqa: ARG001
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError(f"must be an int, float or Decimal, not {type(value).__name__}")
    digits = Decimal(value)
    if not digits.is_finite():
        raise ValueError("must be a finite number: the pipeline has no NaN and no infinity")
    # Tighter than Enrich, which would write the exponent out: no warehouse column holds more.
    if digits and abs(digits.adjusted()) > MAX_DECIMAL_EXPONENT:
        raise ValueError(f"must be between 1e-{MAX_DECIMAL_EXPONENT} and 1e{MAX_DECIMAL_EXPONENT}")
    if isinstance(value, int):
        return int(value)  # of an enum, too: see `_plain`
    return float(value) if isinstance(value, float) else value


def _clipped_decimal(field: Field, value: object) -> int | float | Decimal:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = Decimal(value)
    return _decimal(field, value)


def _flag(field: Field, value: object) -> bool:  # noqa: ARG001
    if not isinstance(value, bool):
        raise ValueError("must be True or False")
    return value


def _epoch_ms(field: Field, value: object) -> int:  # noqa: ARG001
    if isinstance(value, datetime):
        if value.tzinfo is None or value.utcoffset() is None:
            raise ValueError("is a datetime without a time zone: use datetime.now(timezone.utc)")
        moment = epoch_ms(value)
        if moment > MAX_EPOCH_MS:
            raise ValueError("is after the year 9999 in UTC")
        return moment
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be milliseconds since 1970 (int or float) or an aware datetime")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number of milliseconds")
    # Tighter than Enrich, which takes any year from 0: these are other units by mistake.
    if value < MIN_PLAIN_EPOCH_MS:
        raise ValueError(
            "is before March 1973 as milliseconds since 1970: if these are seconds, multiply by "
            "1,000; an older time is given as a datetime"
        )
    if value > MAX_EPOCH_MS:
        raise ValueError("is after the year 9999 as milliseconds: are these micro- or nanoseconds?")
    return int(value)


def _clipped_epoch_ms(field: Field, value: object) -> object:
    _epoch_ms(field, value)
    return value  # as it came: a datetime before 1973 is good, its milliseconds alone would look like seconds


def _dimensions(field: Field, value: object) -> str:  # noqa: ARG001
    if isinstance(value, tuple | list) and len(value) == 2:  # noqa: PLR2004 - width and height
        width, height = value
        if type(width) is not int or type(height) is not int:
            raise ValueError("must be two whole numbers, width and height")
        value = f"{width}x{height}"
    match = _DIMENSIONS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be WIDTHxHEIGHT in whole pixels, as in 1280x720, or (1280, 720)")
    if not all(0 < int(number) <= MAX_INT32 for number in match.groups()):
        raise ValueError(f"must have sides from 1 to {MAX_INT32:,}")
    return match[0]


def _clipped_dimensions(field: Field, value: object) -> str:
    return _dimensions(field, value.strip().lower() if isinstance(value, str) else value)


def _address(field: Field, value: object) -> str:  # noqa: ARG001
    if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address):
        address = value
    else:
        # Enrich checks nothing here, except that a value of blanks and commas stops it (run against 3.9).
        try:
            address = ipaddress.ip_address(value if isinstance(value, str) else "")
        except ValueError:
            raise ValueError("must be an IPv4 or IPv6 address, without a port") from None
    zone = address.scope_id if isinstance(address, ipaddress.IPv6Address) else None
    if zone is not None and not _ZONE.fullmatch(zone):
        raise ValueError("must be an IPv6 address with at most the name of an interface after its %")
    return _plain(value) if isinstance(value, str) else str(address)


def _clipped_address(field: Field, value: object) -> str:
    return _address(field, value.strip() if isinstance(value, str) else value)


def _url(field: Field, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {type(value).__name__}: pass str(…) of it")
    if has_lone_surrogate(value):
        raise ValueError("has half a surrogate pair, which is no character: decode it properly")
    broken = url_violation(value, is_referrer=field.rule is Rule.REFERRER_URL)
    if broken is not None:
        raise ValueError(f"{broken}; Enrich would fail the event")
    if is_for_new_enrich(value):
        # The same text for every URL: Python remembers each text that it has warned of.
        warn_caller(PipelineWarning("a URL of more than 4,096 characters fails on Enrich before 6.0"))
    return _plain(value)


def _clipped_url(field: Field, value: object) -> str | None:
    text = _written(value)
    return None if text is None else clip_url(cut(text, None), is_referrer=field.rule is Rule.REFERRER_URL)


def _platform(field: Field, value: object) -> str:  # noqa: ARG001
    if not isinstance(value, str) or value not in PLATFORMS:
        raise ValueError(f"must be one of {', '.join(PLATFORMS)}")
    return _plain(value)


def _unsupported(field: Field, value: object) -> str:  # noqa: ARG001
    raise ValueError("is written by the encoder and cannot be given")


_NORMAL: Final[dict[Rule, Callable[[Field, object], object]]] = {
    Rule.TEXT: _text,
    Rule.UUID: _uuid,
    Rule.INT32: _int32,
    Rule.DECIMAL: _decimal,
    Rule.FLAG: _flag,
    Rule.EPOCH_MS: _epoch_ms,
    Rule.DIMENSIONS: _dimensions,
    Rule.ADDRESS: _address,
    Rule.PAGE_URL: _url,
    Rule.REFERRER_URL: _url,
    Rule.PLATFORM: _platform,
    Rule.EVENT_CODE: _unsupported,
    Rule.JSON: _unsupported,
    Rule.BASE64_JSON: _unsupported,
    Rule.IGNORED: _unsupported,
}

_CLIPPED: Final[dict[Rule, Callable[[Field, object], object | None]]] = {
    Rule.TEXT: _clipped_text,
    Rule.INT32: _clipped_int32,
    Rule.DECIMAL: _clipped_decimal,
    Rule.EPOCH_MS: _clipped_epoch_ms,
    Rule.DIMENSIONS: _clipped_dimensions,
    Rule.ADDRESS: _clipped_address,
    Rule.PAGE_URL: _clipped_url,
    Rule.REFERRER_URL: _clipped_url,
}
