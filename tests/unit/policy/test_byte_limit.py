"""The largest body that a destination takes."""

from hypothesis import given
from hypothesis import strategies as st

from aiotracker.policy.byte_limit import ByteLimit, after_clean, after_too_large
from aiotracker.protocol.envelope import ENVELOPE_BYTES

HALF_OF_100_000 = ENVELOPE_BYTES + (100_000 - ENVELOPE_BYTES) // 2


def after_clean_batches(limit: ByteLimit, count: int) -> ByteLimit:
    """Return the limit after so many delivered batches."""
    for _ in range(count):
        limit = after_clean(limit)
    return limit


def test_the_configured_limit_holds_while_nothing_was_learned() -> None:
    """Deliveries do not move the limit that the user set."""
    limit = after_clean_batches(ByteLimit(180_000), 200)

    assert (180_000, False) == (limit.current, limit.is_learning)


def test_a_413_halves_the_events_of_the_body() -> None:
    """The next body has room for half of the events, envelope included, whatever the limit was."""
    limit = after_too_large(ByteLimit(180_000), 100_000)

    assert (HALF_OF_100_000, True) == (limit.current, limit.is_learning)


def test_a_413_never_raises_the_limit() -> None:
    """A second, larger body that was on its way already teaches nothing new."""
    limit = after_too_large(after_too_large(ByteLimit(180_000), 20_000), 100_000)

    assert ENVELOPE_BYTES + (20_000 - ENVELOPE_BYTES) // 2 == limit.current


def test_the_limit_stays_above_nothing() -> None:
    """Halving ends at the envelope and a byte, where every event goes alone."""
    limit = ByteLimit(180_000)
    for _ in range(100):
        limit = after_too_large(limit, limit.current)

    assert ENVELOPE_BYTES < limit.current <= ENVELOPE_BYTES + 1


def test_a_success_ends_the_learning() -> None:
    """From the first 2xx on several senders work again; the limit holds."""
    limit = after_clean(after_too_large(ByteLimit(180_000), 100_000))

    assert (HALF_OF_100_000, False) == (limit.current, limit.is_learning)


def test_the_limit_grows_after_fifty_clean_batches() -> None:
    """Not after 49, and then by a quarter."""
    learned = after_too_large(ByteLimit(180_000), 100_000)

    before, after = (after_clean_batches(learned, count).current for count in (49, 50))

    assert HALF_OF_100_000 == before
    assert 1.25 * HALF_OF_100_000 <= after <= 1.25 * HALF_OF_100_000 + 1


def test_the_limit_grows_again_after_fifty_more() -> None:
    """The count begins anew with every growth."""
    learned = after_too_large(ByteLimit(180_000), 100_000)

    before, after = (after_clean_batches(learned, count).current for count in (99, 100))

    assert before < 63_000
    assert after > 78_000


def test_a_413_begins_the_count_anew() -> None:
    """Forty-nine clean batches before a 413 count for nothing."""
    limit = after_clean_batches(after_too_large(ByteLimit(180_000), 100_000), 49)

    limit = after_clean_batches(after_too_large(limit, 40_000), 49)

    assert ENVELOPE_BYTES + (40_000 - ENVELOPE_BYTES) // 2 == limit.current


def test_the_limit_grows_back_to_what_was_configured() -> None:
    """In the end all is forgotten, and nothing goes above the setting."""
    limit = after_clean_batches(after_too_large(ByteLimit(180_000), 100_000), 50 * 6)

    assert ByteLimit(180_000) == limit


@given(st.integers(1_000, 900_000), st.lists(st.integers(0, 1_000_000), max_size=60))
def test_the_limit_never_leaves_its_bounds(configured: int, bodies: list[int]) -> None:
    """Whatever a server answers, the limit is at least 1 byte and at most the setting."""
    limit = ByteLimit(configured)
    for body in bodies:
        limit = after_too_large(limit, body) if body % 3 else after_clean_batches(limit, 50)

        assert 1 <= limit.current <= configured
