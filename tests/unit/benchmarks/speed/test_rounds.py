"""Which rounds are played, and which of them count."""

from collections.abc import Iterator

import pytest

from benchmarks.speed.rounds import Case, Round, Summary, calm, interleave, nice, summary

A, B = Case("delivery", "a", "page_view"), Case("delivery", "b", "page_view")
CALM, NOISY = 0.100, 0.200  # seconds of the fixed loop


def played(calibration: float = CALM, *, cpu_seconds: float = 1.0) -> Round:
    """Return a round of ten events that all arrived."""
    return Round(1.0, cpu_seconds, events=10, refused=0, arrived=10, calibration=calibration)


def test_rounds_go_in_turn() -> None:
    """Every case is played once before any is played again."""
    order = []

    def play(case: Case) -> Round:
        order.append(case.contender)
        return played()

    interleave([A, B], play, count=3, more=5, best=lambda: CALM)

    assert ["a", "b", "a", "b", "a", "b"] == order


def test_disturbed_cases_are_played_again() -> None:
    """Only a case that lacks calm rounds gets more, and only so many more."""
    rounds: dict[Case, Iterator[Round]] = {
        A: iter([played()] * 9),
        B: iter([played(NOISY)] * 9),
    }

    found = interleave([A, B], lambda case: next(rounds[case]), count=2, more=3, best=lambda: CALM)

    assert {A: 2, B: 5} == {case: len(several) for case, several in found.items()}


def test_a_case_that_cannot_be_played_is_left_out() -> None:
    """A contender that fails does not hold up the others."""
    found = interleave(
        [A, B], lambda case: None if case is A else played(), count=2, more=0, best=lambda: CALM
    )

    assert {B: [played(), played()]} == found


def test_noisy_rounds_do_not_count_among_calm_ones() -> None:
    """The median is that of the calm rounds, when there are at least two."""
    rounds = [played(), played(NOISY, cpu_seconds=9.0), played()]

    assert [played(), played()] == calm(rounds, CALM)


def test_all_rounds_count_when_hardly_any_was_calm() -> None:
    """A single calm round among noisy ones is no median of its own."""
    rounds = [played(), played(NOISY), played(NOISY)]

    assert rounds == calm(rounds, CALM)


def test_a_summary_has_median_and_spread() -> None:
    """The spread is the median absolute deviation, as a share of the median."""
    assert Summary(median=10.0, least=8.0, spread=0.1, count=4) == summary([8.0, 9.0, 11.0, 11.0])


def test_no_value_has_no_summary() -> None:
    """Nothing is made up for a case that has no round."""
    with pytest.raises(ValueError, match="no value"):
        summary([])


@pytest.mark.parametrize(
    ("events", "expected"), [(0.0, 20), (49.0, 20), (50.0, 50), (1_999.0, 1_000), (1e9, 500_000)]
)
def test_numbers_of_events_are_round(events: float, expected: int) -> None:
    """A round has a number of events that fills whole batches."""
    assert expected == nice(events)


def test_an_event_costs_what_the_process_took_for_it() -> None:
    """Costs and rates are per event that arrived; what was taken and did not arrive is missing."""
    lossy = Round(2.0, 1.0, events=12, refused=1, arrived=10, calibration=CALM)

    assert (100_000.0, 5.0, 1) == (lossy.cpu_us, lossy.rate, lossy.missing)
