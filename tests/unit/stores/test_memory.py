"""What is the memory store's own; what it shares with others stands under contract."""

import pytest

from aiotracker import ConfigurationError, MemoryStore


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "10", None])
@pytest.mark.parametrize("setting", ["max_events", "max_bytes"])
def test_a_bound_is_a_positive_whole_number(setting: str, value: object) -> None:
    """A store without room, or with a bound that is no number, is refused when it is built."""
    with pytest.raises(ConfigurationError) as caught:
        MemoryStore(**{setting: value})  # type: ignore[arg-type]  # the mistake of the test

    assert (setting, value) == (caught.value.setting, caught.value.value)


def test_the_bounds_are_ten_thousand_events_and_sixteen_mebibytes() -> None:
    """The defaults suit a web service: a minute of a busy one, and no worry for its memory."""
    events, size = MemoryStore(), MemoryStore()

    granted = sum(events.reserve(100) for _ in range(10_001))
    mebibytes = sum(size.reserve(1024 * 1024) for _ in range(17))

    assert (10_000, 16) == (granted, mebibytes)


def test_memory_survives_nothing() -> None:
    """It says so itself, because closing has to drop what a durable store would keep."""
    assert not MemoryStore().is_durable
