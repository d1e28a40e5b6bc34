"""The wall clock may freeze, jump and run backwards: it is written into events and decides nothing."""

from collections.abc import Callable

import pytest

from aiotracker.protocol.exchange import Response
from tests.fakes.bench import TrackWith
from tests.fakes.clock import FakeClock

YEAR_MS = 365 * 24 * 3600 * 1000


class OddClock(FakeClock):
    """A clock whose wall clock goes its own way while its seconds go on."""

    def __init__(self, wall: Callable[[float], int]) -> None:
        super().__init__()
        self._wall = wall

    def wall_ms(self) -> int:
        """Return the milliseconds of this moment, or what passes for them."""
        return self._wall(self.now() - 1_000.0)


WALLS: dict[str, Callable[[float], int]] = {
    "frozen": lambda seconds: 1_700_000_000_000,
    "backwards": lambda seconds: 1_700_000_000_000 - int(seconds * 1000),
    "jumping": lambda seconds: 1_700_000_000_000 + int(seconds) % 2 * YEAR_MS,
    "right": lambda seconds: 1_700_000_000_000 + int(seconds * 1000),
}


@pytest.mark.parametrize("wall", WALLS)
async def test_timers_do_not_follow_the_wall_clock(track_with: TrackWith, wall: str) -> None:
    """Batches, backoff and `Retry-After` in seconds take the same time whatever the wall clock does."""
    bench = await track_with([503, Response(429, {"retry-after": "7"}), 503], clock=OddClock(WALLS[wall]))

    await bench.track("a")
    await bench.clock.advance(30)
    await bench.track("b")
    await bench.clock.advance(0.5)

    assert [0.0, 0.5, 7.5, 9.5, 30.4] == bench.transport.times


@pytest.mark.parametrize("wall", WALLS)
async def test_an_event_bears_the_time_it_was_made_at(track_with: TrackWith, wall: str) -> None:
    """`dtm` is what the wall clock said at `track()`, and stays so through retries; `stm` is fresh."""
    bench = await track_with([503, 503, 200], clock=OddClock(WALLS[wall]))

    await bench.track("a")
    await bench.clock.advance(10)

    made, sent = WALLS[wall](0), [WALLS[wall](0.1 + at) for at in bench.transport.times]
    events = [request.events[0] for request in bench.transport.sent]
    assert [str(made)] * 3 == [event["dtm"] for event in events]
    assert [f"{moment:013d}" for moment in sent] == [event["stm"] for event in events]


async def test_a_clock_that_jumps_leaves_ages_alone(track_with: TrackWith) -> None:
    """An event grows old by seconds that passed, not by a corrected clock."""
    bench = await track_with([503], max_age=60.0)
    await bench.track("a")
    await bench.clock.advance(0.1)

    bench.clock.set_wall_ms(bench.clock.wall_ms() + YEAR_MS)
    await bench.clock.advance(10)

    assert (1, {}) == (bench.tracker.stats().delivered, bench.tracker.stats().dropped)
