"""The machine's own clocks."""

import math
import time

import anyio
import pytest

from aiotracker.clock import SystemClock


async def test_now_only_grows() -> None:
    """Delivery computes with the monotonic clock."""
    clock = SystemClock()

    before, now, after = time.monotonic(), clock.now(), time.monotonic()

    assert before <= now <= after


async def test_wall_time_is_milliseconds_since_1970() -> None:
    """Events carry the wall clock."""
    clock = SystemClock()

    before, wall, after = time.time() * 1000, clock.wall_ms(), time.time() * 1000

    assert isinstance(wall, int)
    assert before - 1 <= wall <= after + 1


@pytest.mark.parametrize("offset", [-10.0, 0.0])
async def test_a_moment_that_has_come_ends_the_block(offset: float) -> None:
    """A deadline in the past is over at the next chance."""
    clock = SystemClock()

    with clock.move_on_at(clock.now() + offset) as scope:
        await anyio.sleep_forever()

    assert scope.cancelled_caught


async def test_infinity_never_comes() -> None:
    """Without a deadline the block ends by itself."""
    clock = SystemClock()

    with clock.move_on_at(math.inf) as scope:
        await anyio.lowlevel.checkpoint()

    assert (math.inf, False) == (scope.deadline, scope.cancelled_caught)


async def test_a_shielded_deadline_is_shielded() -> None:
    """A cancellation from outside waits for the block."""
    clock = SystemClock()
    reached = False

    with anyio.CancelScope() as outer:
        outer.cancel()
        with clock.move_on_at(clock.now() + 60, shield=True):
            await anyio.lowlevel.checkpoint()
            reached = True

    assert reached
