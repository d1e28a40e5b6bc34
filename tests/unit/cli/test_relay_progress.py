"""How the progress of a relay reads."""

from dataclasses import replace

import pytest

from aiotracker import Health, HealthStatus
from aiotracker.cli.relay_progress import Progress, closing_line, progress_line

WELL = Health(HealthStatus.OK, {})
START = Progress(100.0, 0, None, 0, 0, {}, WELL)
BUSY = Progress(110.0, 12_345, 75.0, 500, 20_000, {}, WELL)


def test_a_line_says_what_waits_and_what_was_done() -> None:
    """Backlog, age, requests on their way, total, rate since the line before, health."""
    line = progress_line(BUSY, START)

    assert line == ("12,345 waiting (the oldest for 1.2 min), 500 in flight, 20,000 delivered, 2,000/s, ok")


def test_the_first_line_has_no_rate() -> None:
    """There is no time to divide by."""
    line = progress_line(START, START)

    assert "0 waiting, 0 in flight, 0 delivered, ok" == line


def test_the_rate_is_that_since_the_line_before() -> None:
    """Not since the beginning: a relay that stands still shows it."""
    later = replace(BUSY, at=120.0)

    assert "20,000 delivered, 0/s" in progress_line(later, BUSY)


def test_what_was_dropped_is_told_by_reason() -> None:
    """Nothing is lost without a word."""
    line = progress_line(replace(BUSY, dropped={"rejected": 1_200, "expired": 3}), START)

    assert "1,203 dropped (rejected 1,200, expired 3)" in line


def test_trouble_is_told_with_its_cause() -> None:
    """Who is away, why, and when the next attempt is."""
    health = Health(HealthStatus.DEGRADED, {"https://c.acme.com": "open after 3 failures (connect)"})

    line = progress_line(replace(BUSY, health=health), START)

    assert line.endswith(", degraded: https://c.acme.com: open after 3 failures (connect)")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "0.0 s"),
        (59.94, "59.9 s"),
        (60.0, "1.0 min"),
        (3_600.0, "1.0 h"),
        (5_400.0, "1.5 h"),
        (86_400.0, "1.0 d"),
        (900_000.0, "10.4 d"),
    ],
)
def test_an_age_is_told_in_a_unit_that_fits(seconds: float, expected: str) -> None:
    """Nobody counts in seconds for a day."""
    line = progress_line(replace(BUSY, oldest_age=seconds), START)

    assert f"(the oldest for {expected})" in line


def test_the_last_line_sums_up() -> None:
    """Why it ended, what it did, and what is left to the next."""
    line = closing_line("stopped by SIGTERM", replace(BUSY, in_flight=0), START)

    assert line == (
        "stopped by SIGTERM after 10.0 s: 20,000 delivered, 2,000/s, 0 dropped, 12,345 left in the store"
    )


def test_the_last_line_says_where_the_dropped_events_are() -> None:
    """They are kept as dead letters."""
    line = closing_line("the store is empty", replace(BUSY, waiting=0, dropped={"rejected": 3}), START)

    assert "3 dropped (rejected 3), see aiotracker dead-letters, 0 left in the store" in line
