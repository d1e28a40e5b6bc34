"""Epoch milliseconds as the three texts in which the pipeline writes a point in time.

Works for every 64-bit number: Enrich takes the years 0 to 9999 from a tracker and derives years
outside of them, where Python's own `datetime` ends at the years 1 and 9999.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["instant", "joda", "tsv"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CYCLE_YEARS: Final = 400  # the Gregorian calendar repeats itself, weekdays included
_CYCLE_MS: Final = 146_097 * 86_400_000
_MS_PER_SECOND: Final = 1000


def instant(epoch_ms: int) -> str:
    """Return ISO 8601 without a fraction when it is zero, `2026-01-31T12:00:05.792Z`.

    Source: Scala analytics SDK 3.2, `Event.scala` (Java's `Instant.toString`).
    """
    date, time, fraction = _parts(epoch_ms)
    return f"{date}T{time}.{fraction}Z" if fraction != "000" else f"{date}T{time}Z"


def joda(epoch_ms: int) -> str:
    """Return ISO 8601 that always has three digits of fraction, `2026-01-31T12:00:05.000Z`.

    Source: badrows 2.3, `Payload.scala` (Joda's `DateTime`).
    """
    date, time, fraction = _parts(epoch_ms)
    return f"{date}T{time}.{fraction}Z"


def tsv(epoch_ms: int) -> str:
    """Return the form of the enriched TSV, `2026-01-31 12:00:05.000`.

    Source: Enrich 6.10, `EventEnrichments.scala`.
    """
    date, time, fraction = _parts(epoch_ms)
    return f"{date} {time}.{fraction}"


def _parts(epoch_ms: int) -> tuple[str, str, str]:
    cycles, shifted_ms = divmod(epoch_ms, _CYCLE_MS)  # shifted: 1970 to 2369
    seconds, fraction = divmod(shifted_ms, _MS_PER_SECOND)
    moment = _EPOCH + timedelta(seconds=seconds)
    year = moment.year + cycles * _CYCLE_YEARS
    sign = "-" if year < 0 else ""
    return f"{sign}{abs(year):04d}-{moment:%m-%d}", f"{moment:%H:%M:%S}", f"{fraction:03d}"
