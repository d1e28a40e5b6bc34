"""A log that trouble cannot flood: one line per place and reason in 60 s."""

import itertools
import logging
import re
from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.fakes.bench import TrackWith, view
from tests.fakes.clock import FakeClock
from tests.fakes.transport import NO_CONNECTION, Hang


class Lines(logging.Handler):
    """Lines of the tracker with the fake clock's moments, by what they say apart from their numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.clock: FakeClock | None = None
        self.moments: dict[str, list[float]] = defaultdict(list)

    def emit(self, record: logging.LogRecord) -> None:
        """Note a line."""
        said = re.sub(r"\d+", "N", re.sub(r" \[.*\]$", "", record.getMessage()))
        self.moments[said].append(self.clock.now() if self.clock else 0.0)

    @property
    def shortest_interval(self) -> float:
        """Seconds between the two closest lines that say the same."""
        pairs = [pair for moments in self.moments.values() for pair in itertools.pairwise(moments)]
        return min((after - before for before, after in pairs), default=float("inf"))


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Catch what the tracker logs."""
    lines = Lines()
    logger = logging.getLogger("aiotracker")
    logger.addHandler(lines)
    yield lines
    logger.removeHandler(lines)


@pytest.mark.parametrize("overflow", ["wait", "drop_newest", "drop_oldest"])
async def test_an_overflow_says_one_line(track_with: TrackWith, lines: Lines, overflow: str) -> None:
    """10,000 events too many are one line, with their count in the next one."""
    bench = await track_with(default=Hang(), buffer_capacity=100, overflow=overflow, batch_size=10)
    lines.clock = bench.clock
    event = view("home")

    for _ in range(10_100):
        bench.tracker.track_nowait(event)

    assert [1] == [len(moments) for moments in lines.moments.values()]


@pytest.mark.faults
async def test_thirty_thousand_events_too_many_say_one_line(track_with: TrackWith, lines: Lines) -> None:
    """With the default buffer, an overflow of 30,000 events is one line."""
    bench = await track_with(default=Hang())
    lines.clock = bench.clock
    event = view("home")

    for _ in range(30_000):
        bench.tracker.track_nowait(event)

    assert 20_000 == sum(bench.tracker.stats().refused.values())
    assert [1] == [len(moments) for moments in lines.moments.values()]


async def test_an_hour_of_outage_says_a_line_a_minute(track_with: TrackWith, lines: Lines) -> None:
    """Through an hour of 503, refused connections and a full buffer, no line comes twice in 60 s."""
    bench = await track_with(default=503, buffer_capacity=50, batch_size=10)
    lines.clock = bench.clock

    for minute in range(60):
        bench.transport.default = (503, NO_CONNECTION)[minute % 2]
        for _ in range(6):
            await bench.track("a", "b")
            await bench.clock.advance(10)

    assert lines.shortest_interval >= 60
    assert 3 == len(lines.moments)
    assert all(len(moments) <= 60 for moments in lines.moments.values())
    assert 670 == sum(bench.tracker.stats().refused.values())
