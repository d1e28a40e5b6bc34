"""Points in time as text."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotracker.micro import timestamps

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("epoch_ms", "expected"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_790_000_000_250, "2026-09-21T14:13:20.250Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00Z"),
        (-62_167_219_200_000, "0000-01-01T00:00:00Z"),
        (-62_167_219_200_001, "-0001-12-31T23:59:59.999Z"),
        (253_402_300_800_000, "10000-01-01T00:00:00Z"),
    ],
)
def test_an_instant_has_a_fraction_only_when_it_is_not_zero(epoch_ms: int, expected: str) -> None:
    """The analytics SDK writes instants of any year, without a fraction of zero."""
    assert expected == timestamps.instant(epoch_ms)


@pytest.mark.parametrize(
    ("epoch_ms", "expected"),
    [(1_790_000_000_250, "2026-09-21T14:13:20.250Z"), (0, "1970-01-01T00:00:00.000Z")],
)
def test_joda_always_writes_milliseconds(epoch_ms: int, expected: str) -> None:
    """Contexts of payloads have three digits of fraction."""
    assert expected == timestamps.joda(epoch_ms)


def test_the_tsv_has_neither_t_nor_zone() -> None:
    """The enriched TSV separates date and time by a space."""
    assert "2026-09-21 14:13:20.250" == timestamps.tsv(1_790_000_000_250)


@given(st.integers(min_value=-62_135_596_800_000, max_value=253_402_300_799_999))
def test_it_agrees_with_python_where_python_can(epoch_ms: int) -> None:
    """From the year 1 to the year 9999 the date is that of Python's calendar."""
    moment = EPOCH + timedelta(milliseconds=epoch_ms)

    expected = moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"

    assert expected == timestamps.joda(epoch_ms)


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
def test_every_64_bit_number_has_a_text(epoch_ms: int) -> None:
    """Derived points in time may lie far outside of Python's calendar."""
    assert timestamps.instant(epoch_ms).endswith("Z")
