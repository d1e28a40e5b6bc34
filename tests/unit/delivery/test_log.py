"""What delivery says: one line per place and reason per minute."""

import logging

import pytest

from aiotracker.delivery.log import DeliveryLog
from tests.fakes.bench import TrackWith, view
from tests.fakes.clock import FakeClock
from tests.fakes.transport import Hang

WARNING = logging.WARNING


async def test_a_line_is_repeated_after_a_minute_with_a_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What was left out meanwhile is counted, not lost."""
    clock = FakeClock()
    log = DeliveryLog(clock, "https://c.acme.com")

    for _ in range(5):
        log.say(WARNING, "send", "503", "away", count=10)
    await clock.advance(59.9)
    log.say(WARNING, "send", "503", "away", count=10)
    before = len(caplog.records)
    await clock.advance(0.2)
    log.say(WARNING, "send", "503", "away", count=10)

    assert 1 == before
    assert ["https://c.acme.com: away", "https://c.acme.com: away [50 more since the last line]"] == [
        record.getMessage() for record in caplog.records
    ]


def test_places_and_reasons_are_told_apart(caplog: pytest.LogCaptureFixture) -> None:
    """A new reason is news, and so is an old one elsewhere."""
    log = DeliveryLog(FakeClock(), "https://c.acme.com")

    for place in ("send", "track"):
        for reason in ("503", "timeout"):
            log.say(WARNING, place, reason, f"{place} {reason}")
            log.say(WARNING, place, reason, f"{place} {reason}")

    assert 4 == len(caplog.records)


def test_the_logger_is_aiotracker_and_silent_by_default() -> None:
    """A library adds no handler but the one that does nothing."""
    logger = logging.getLogger("aiotracker")

    kinds = {type(handler) for handler in logger.handlers}

    assert logging.NullHandler in kinds
    assert logging.NOTSET == logger.level


async def test_an_overflow_of_thousands_is_one_line(
    track_with: TrackWith, caplog: pytest.LogCaptureFixture
) -> None:
    """A flood of refused events does not become a flood of lines."""
    bench = await track_with(default=Hang(), overflow="drop_newest", buffer_capacity=10, batch_size=10)

    await bench.track(*range(3_000))

    lines = [record.getMessage() for record in caplog.records]
    assert {"queue_full": 2_990} == bench.tracker.stats().refused
    assert 1 == len(lines)
    assert "queue_full" in lines[0]


async def test_payloads_are_not_logged(track_with: TrackWith, caplog: pytest.LogCaptureFixture) -> None:
    """Events may hold personal data: above DEBUG no line repeats any of it."""
    caplog.set_level(logging.INFO, logger="aiotracker")
    bench = await track_with([503, 400, 401], batch_size=1, concurrency=1)

    for number in range(4):
        await bench.tracker.track(view("secret", page_title=f"secret {number}"))
    await bench.clock.advance(30)

    assert [] == [line for line in caplog.messages if "secret" in line]
