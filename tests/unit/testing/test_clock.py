"""A clock that runs, and that a test may move ahead."""

import math

import anyio
import pytest

from aiotracker.testing import MovableClock

AN_HOUR = 3_600.0


def test_it_runs_with_the_clocks_of_the_machine() -> None:
    """What waits for a moment gets there without help."""
    clock = MovableClock()

    first, second = clock.now(), clock.now()

    assert first <= second < first + AN_HOUR


def test_moving_it_ahead_moves_both_clocks() -> None:
    """An hour later it is an hour later for whoever asks in whichever way."""
    clock = MovableClock()
    now, wall_ms = clock.now(), clock.wall_ms()

    clock.advance(AN_HOUR)

    assert AN_HOUR == pytest.approx(clock.now() - now, abs=10)
    assert AN_HOUR * 1000 == pytest.approx(clock.wall_ms() - wall_ms, abs=10_000)


def test_two_clocks_may_start_apart_and_show_the_same_time() -> None:
    """Monotonic clocks of two processes have nothing in common; what time it is has."""
    one, other = MovableClock(), MovableClock(start=5 * AN_HOUR)

    assert 5 * AN_HOUR == pytest.approx(other.now() - one.now(), abs=10)
    assert one.wall_ms() == pytest.approx(other.wall_ms(), abs=10_000)


async def test_whoever_waits_is_woken_when_the_moment_is_reached() -> None:
    """Moving the clock less far than that wakes nobody."""
    clock = MovableClock()
    woken: list[str] = []

    async def wait(name: str, seconds: float) -> None:
        with clock.move_on_at(clock.now() + seconds):
            await anyio.sleep_forever()
        woken.append(name)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, "an hour", AN_HOUR)
        tasks.start_soon(wait, "two hours", 2 * AN_HOUR)
        tasks.start_soon(wait, "for ever", math.inf)
        await anyio.wait_all_tasks_blocked()
        clock.advance(AN_HOUR / 2)
        await anyio.sleep(0.01)
        before = [*woken]
        clock.advance(AN_HOUR)
        await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()

    assert ([], ["an hour"]) == (before, woken)


async def test_a_moment_that_has_passed_ends_a_wait_at_once() -> None:
    """As with every clock of the tracker."""
    clock = MovableClock()

    with clock.move_on_at(clock.now() - 1.0) as scope:
        await anyio.sleep_forever()

    assert scope.cancelled_caught
