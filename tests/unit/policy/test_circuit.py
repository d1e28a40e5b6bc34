"""The circuit of a destination: every state, every way out of it."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotracker.policy.circuit import (
    Circuit,
    CircuitState,
    after_failure,
    after_success,
    next_chance,
    probed,
    without_backoff,
)

RANDOM = st.floats(0, 1)


def failed(circuit: Circuit = Circuit(), now: float = 100.0, **arguments: Any) -> Circuit:  # noqa: B008 - frozen
    """Return the circuit after a request that began just now failed."""
    return after_failure(circuit, **{"now": now, "began_at": now - 0.01, "random": 1.0} | arguments)


def delay_after(openings: int, **arguments: Any) -> float:
    """Return the seconds that the n-th opening in a row lasts."""
    circuit, now, delay = Circuit(), 100.0, 0.0
    for number in range(openings):
        last = arguments if number == openings - 1 else {}
        circuit = failed(circuit, now, **last)
        delay = circuit.retry_at - now
        now = circuit.retry_at + 0.02
        circuit = probed(circuit)
    return round(delay, 9)


def test_a_closed_circuit_lets_everything_through() -> None:
    """A destination that nothing is known of is sent to."""
    circuit = Circuit()

    chance = next_chance(circuit, 5.0)

    assert (None, False) == (chance, circuit.is_open)


def test_a_failure_opens_it() -> None:
    """After a failure nothing is sent before the backoff is over."""
    circuit = failed(now=100.0)

    chances = [next_chance(circuit, now) for now in (100.0, 100.49, 100.5, 200.0)]

    assert [100.5, 100.5, None, None] == chances
    assert (CircuitState.OPEN, 1) == (circuit.state, circuit.failures)


def test_a_probe_stands_alone() -> None:
    """While the probe is under way no second request begins."""
    circuit = probed(failed())

    chance = next_chance(circuit, 10_000.0)

    assert (math.inf, True) == (chance, circuit.is_open)


def test_a_probe_that_arrives_closes_it() -> None:
    """The success of the probe ends the outage and forgets its failures."""
    circuit = probed(failed(now=100.0))

    circuit = after_success(circuit, now=101.0, began_at=100.6)

    assert (CircuitState.CLOSED, 0) == (circuit.state, circuit.failures)
    assert 0.5 == failed(circuit, 102.0).retry_at - 102.0


def test_a_probe_that_fails_opens_it_for_longer() -> None:
    """The failure of the probe doubles the longest wait."""
    circuit = probed(failed(now=100.0))

    circuit = failed(circuit, 101.0)

    assert (CircuitState.OPEN, 2, 102.0) == (circuit.state, circuit.failures, circuit.retry_at)


@pytest.mark.parametrize(
    ("openings", "expected"),
    [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (7, 32.0), (8, 60.0), (9, 60.0), (40, 60.0)],
)
def test_the_longest_wait_doubles_up_to_a_minute(openings: int, expected: float) -> None:
    """The cap of the jitter is min(60, 0.5·2ⁿ) seconds."""
    delay = delay_after(openings)

    assert expected == delay


@pytest.mark.parametrize(("openings", "expected"), [(1, 0.5), (3, 2.0), (6, 3.0), (9, 3.0)])
def test_the_cap_is_a_setting(openings: int, expected: float) -> None:
    """`max_delay` replaces the minute."""
    delay = delay_after(openings, max_delay=3.0)

    assert expected == delay


@given(openings=st.integers(1, 30), random=RANDOM)
def test_the_jitter_is_full_with_a_floor(openings: int, random: float) -> None:
    """A wait is anything from 0.1 s to its cap."""
    cap = min(60.0, 0.5 * 2 ** (openings - 1))

    delay = delay_after(openings, random=random)

    assert 0.1 <= delay <= cap
    assert pytest.approx(max(0.1, random * cap)) == delay


def test_no_jitter_hammers() -> None:
    """The least random number still waits 0.1 s."""
    delay = delay_after(5, random=0.0)

    assert 0.1 == delay


def test_failures_of_requests_of_the_same_outage_count_once() -> None:
    """Four requests in flight that all fail are one opening."""
    circuit = failed(now=100.0)

    for now in (100.1, 100.2, 100.3):
        circuit = failed(circuit, now, began_at=99.9)

    assert (1, 100.5) == (circuit.failures, circuit.retry_at)


def test_a_late_failure_during_the_probe_leaves_the_probe_alone() -> None:
    """An old request that fails while the probe runs does not open the circuit a second time."""
    circuit = probed(failed(now=100.0))

    circuit = failed(circuit, 101.0, began_at=99.9)

    assert (CircuitState.PROBING, 1) == (circuit.state, circuit.failures)


def test_a_late_failure_after_recovery_is_old_news() -> None:
    """An old request that fails after the probe succeeded opens nothing."""
    circuit = after_success(probed(failed(now=100.0)), now=101.0, began_at=100.6)

    circuit = failed(circuit, 102.0, began_at=99.9)

    assert CircuitState.CLOSED == circuit.state


def test_a_late_failure_after_recovery_may_still_ask_for_quiet() -> None:
    """`Retry-After` counts even on the answer to an old request."""
    circuit = after_success(probed(failed(now=100.0)), now=101.0, began_at=100.6)

    circuit = failed(circuit, 102.0, began_at=99.9, retry_after=30.0)

    assert (132.0, True) == (next_chance(circuit, 102.0), circuit.is_open)


@pytest.mark.parametrize("began_at", [99.0, 100.0])
def test_a_late_success_closes_it(began_at: float) -> None:
    """A request from before the opening that arrives proves that the destination is back."""
    circuit = failed(now=100.0)

    circuit = after_success(circuit, now=100.2, began_at=began_at)

    assert (CircuitState.CLOSED, 0) == (circuit.state, circuit.failures)


def test_a_late_success_does_not_shorten_a_retry_after() -> None:
    """While the server wants to be left alone an old success changes nothing."""
    circuit = failed(now=100.0, retry_after=10.0)

    circuit = after_success(circuit, now=105.0, began_at=99.0)

    assert 110.0 == next_chance(circuit, 105.0)


def test_a_late_success_does_not_outweigh_a_refusal() -> None:
    """After 401, 403 or 410 only the probe closes the circuit."""
    circuit = failed(now=100.0, is_refusal=True)

    late = after_success(circuit, now=101.0, began_at=99.0)
    probe = after_success(probed(circuit), now=106.0, began_at=105.5)

    assert (True, False) == (late.is_open, probe.is_open)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.0, 0.5), (0.2, 0.5), (0.5, 0.5), (4.0, 4.0), (300.0, 300.0)]
)
def test_retry_after_is_a_minimum(seconds: float, expected: float) -> None:
    """The longer of backoff and `Retry-After` counts; 0 does not take the backoff away."""
    delay = delay_after(1, retry_after=seconds)

    assert expected == delay


def test_retry_after_of_a_later_answer_prolongs_the_wait() -> None:
    """Of several answers the longest wish counts, a shorter one takes nothing back."""
    circuit = failed(now=100.0, retry_after=2.0)

    circuit = failed(circuit, 100.5, began_at=99.0, retry_after=30.0)
    circuit = failed(circuit, 100.6, began_at=99.0, retry_after=1.0)

    assert (130.5, 1) == (next_chance(circuit, 101.0), circuit.failures)


@pytest.mark.parametrize("random", [0.0, 0.5, 1.0])
def test_a_refusal_waits_five_seconds_at_least(random: float) -> None:
    """Every probe after 401, 403 or 410 costs a batch, so the first wait is 5 s."""
    delay = delay_after(1, is_refusal=True, random=random)

    assert 5.0 == delay


def test_refusals_in_a_row_back_off_further() -> None:
    """From 5 s on the backoff grows like any other."""
    circuit, now = Circuit(), 100.0
    delays = []
    for _ in range(6):
        circuit = failed(circuit, now, is_refusal=True)
        delays.append(circuit.retry_at - now)
        now, circuit = circuit.retry_at + 1, probed(circuit)

    assert [5.0, 5.0, 5.0, 5.0, 8.0, 16.0] == delays


def test_a_late_refusal_marks_an_open_circuit() -> None:
    """A 401 among failures of one outage keeps late successes from closing the circuit."""
    circuit = failed(now=100.0)

    circuit = failed(circuit, 100.1, began_at=99.0, is_refusal=True)
    circuit = after_success(circuit, now=100.2, began_at=99.0)

    assert circuit.is_open


def test_a_flush_cuts_the_backoff_short() -> None:
    """`without_backoff` makes the next probe due now."""
    circuit = failed(now=100.0)

    circuit = without_backoff(circuit, 100.1)

    assert (None, True, 1) == (next_chance(circuit, 100.1), circuit.is_open, circuit.failures)


def test_a_flush_never_cuts_a_retry_after_short() -> None:
    """The server's own wish is kept: only the backoff beyond it is skipped."""
    circuit = failed(failed(now=90.0), 100.0, retry_after=0.3)

    circuit = without_backoff(circuit, 100.1)

    assert 100.3 == next_chance(circuit, 100.1)


@pytest.mark.parametrize("circuit", [Circuit(), probed(failed())])
def test_a_flush_changes_no_other_state(circuit: Circuit) -> None:
    """There is no backoff to skip while the circuit is closed or being probed."""
    assert circuit == without_backoff(circuit, 100.1)


def test_a_flush_never_puts_a_probe_off() -> None:
    """A probe that is due already stays due."""
    circuit = failed(now=100.0)

    circuit = without_backoff(circuit, 500.0)

    assert None is next_chance(circuit, 500.0)


@pytest.mark.parametrize("is_refusal", [False, True])
def test_a_probe_within_one_tick_of_the_clock_is_still_the_probe(is_refusal: bool) -> None:  # noqa: FBT001
    """A coarse clock may give the opening and a flush's probe one time: its failure opens again."""
    circuit = failed(now=100.0, is_refusal=is_refusal)
    circuit = probed(without_backoff(circuit, 100.0))

    circuit = failed(circuit, 101.0, began_at=100.0, is_refusal=is_refusal)

    assert (CircuitState.OPEN, 2) == (circuit.state, circuit.failures)


def test_a_probe_within_one_tick_of_a_refusal_may_succeed() -> None:
    """A coarse clock may give the refusal and a flush's probe one time: its success closes."""
    circuit = probed(without_backoff(failed(now=100.0, is_refusal=True), 100.0))

    circuit = after_success(circuit, now=101.0, began_at=100.0)

    assert CircuitState.CLOSED == circuit.state


class Step:
    """What may happen to a circuit, as data for the property below."""

    SUCCESS, LATE_SUCCESS, FAILURE, LATE_FAILURE, FLUSH = range(5)


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0.01, 50), RANDOM), max_size=40))
def test_a_circuit_never_stays_open_for_ever(steps: list[tuple[int, float, float]]) -> None:
    """Whatever happens, an open circuit has a finite moment of its next probe, within a minute."""
    circuit, now = Circuit(), 100.0
    for step, pause, random in steps:
        now += pause
        began_at = circuit.opened_at if step in (1, 3) else now - 0.001
        match step:
            case Step.SUCCESS | Step.LATE_SUCCESS:
                circuit = after_success(circuit, now=now, began_at=began_at)
            case Step.FAILURE | Step.LATE_FAILURE:
                circuit = after_failure(circuit, now=now, began_at=began_at, random=random)
            case _:
                circuit = without_backoff(circuit, now)
        chance = next_chance(circuit, now)

        assert chance is None or now < chance <= now + 60
