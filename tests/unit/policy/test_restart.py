"""When a crashed engine starts again, and when it counts as failing."""

import pytest

from aiotracker.policy.restart import Crashes, after_crash


def crashed(*moments: float) -> Crashes:
    """Return the crashes after one at each moment."""
    crashes = Crashes()
    for moment in moments:
        crashes = after_crash(crashes, moment)
    return crashes


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        ((), False),
        ((0.0,), False),
        ((0.0, 1.0), False),
        ((0.0, 1.0, 2.0), True),
        ((0.0, 1.0, 59.9), True),
        ((0.0, 1.0, 60.0), False),
        ((0.0, 40.0, 80.0), False),
        ((0.0, 40.0, 80.0, 81.0), True),
    ],
)
def test_three_crashes_in_a_minute_are_failing(
    moments: tuple[float, ...],
    expected: bool,  # noqa: FBT001 - a table
) -> None:
    """Older crashes are forgotten."""
    crashes = crashed(*moments)

    assert expected is crashes.is_failing(moments[-1] if moments else 0.0)


def test_failing_is_over_a_minute_after_the_crashes() -> None:
    """Without another crash the engine is well again when the third last is a minute old."""
    crashes = crashed(0.0, 1.0, 2.0)

    assert [True, False] == [crashes.is_failing(now) for now in (59.9, 60.0)]


@pytest.mark.parametrize(
    ("count", "expected"), [(1, 0.1), (2, 0.4), (3, 1.6), (4, 6.4), (5, 25.6), (6, 30.0), (9, 30.0)]
)
def test_each_crash_waits_longer(count: int, expected: float) -> None:
    """0.1 s, then four times as long each time, up to 30 s."""
    crashes = crashed(*[number / 10 for number in range(count)])

    assert pytest.approx(expected) == crashes.delay


def test_a_crash_after_a_quiet_minute_waits_as_the_first() -> None:
    """The backoff forgets, too."""
    assert 0.1 == crashed(0.0, 1.0, 2.0, 100.0).delay


def test_crashes_do_not_pile_up() -> None:
    """No more is remembered than the last minute."""
    crashes = crashed(*[number * 30.0 for number in range(1_000)])

    assert 2 == len(crashes.moments)
