"""Sampling: the same visitor is always in or always out, and a share is a share."""

import pytest

from aiotracker.policy.sampling import Sampling, is_kept

ORDER = "iglu:com.acme/order/jsonschema/1-0-0"
VISITORS = [f"visitor-{number}" for number in range(20_000)]


@pytest.mark.parametrize("rate", [0.01, 0.25, 0.5, 0.9])
def test_a_share_is_a_share(rate: float) -> None:
    """Of twenty thousand visitors, as many as the rate says, to half a percent."""
    kept = sum(is_kept(visitor, rate) for visitor in VISITORS)

    assert abs(kept / len(VISITORS) - rate) < 0.005 + rate * 0.05


def test_nobody_at_zero_and_everybody_at_one() -> None:
    """The ends are exact."""
    assert not any(is_kept(visitor, 0.0) for visitor in VISITORS)
    assert all(is_kept(visitor, 1.0) for visitor in VISITORS)


def test_who_is_in_stays_in_at_a_higher_rate() -> None:
    """A rate that is raised adds visitors and removes none."""
    few = {visitor for visitor in VISITORS if is_kept(visitor, 0.1)}
    more = {visitor for visitor in VISITORS if is_kept(visitor, 0.2)}

    assert few < more


def test_the_decision_is_the_same_everywhere() -> None:
    """It depends on nothing of this process: these were decided elsewhere, once and for all."""
    assert [True, False, True, False] == [is_kept(key, 0.5) for key in ("a", "b", "c", "\ud800")]


@pytest.mark.parametrize(
    ("schema", "rate"),
    [
        (ORDER, 0.5),
        ("iglu:com.acme/order/jsonschema/2-0-0", 0.1),
        ("iglu:com.acme/cart/jsonschema/1-0-0", 0.1),
        ("iglu:org.example/cart/jsonschema/1-0-0", 1.0),
        ("", 1.0),
    ],
)
def test_the_first_pattern_that_matches_counts(schema: str, rate: float) -> None:
    """What no pattern matches is kept."""
    assert rate == Sampling({ORDER: 0.5, "iglu:com.acme/*": 0.1}).rate(schema)
