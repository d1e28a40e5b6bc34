"""What a delivery engine does next."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotracker.policy.circuit import Circuit, after_failure, probed
from aiotracker.policy.dispatch import Backlog, Send, Situation, Sleep, next_step

NOTHING = Backlog(0, 0, 87, None, None, 0, 0)
ONE = Backlog(1, 1, 387, 100.0, 7, 7, 0)
OPEN = after_failure(Circuit(), now=100.0, began_at=99.9, random=1.0)
CALM = Situation(
    now=100.1,
    backlog=ONE,
    circuit=Circuit(),
    busy=0,
    senders=4,
    batch_events=500,
    batch_bytes=180_000,
    linger=0.5,
    urgent_sequence=0,
)


def step(backlog: Backlog | None = None, /, **changes: Any) -> Send | Sleep:
    """Return the step in a calm situation with a few changes."""
    return next_step(replace(CALM, backlog=backlog or ONE, **changes))


def test_with_nothing_to_send_it_sleeps_until_something_comes() -> None:
    """The first event wakes it, to count its 0.5 s."""
    assert Sleep(math.inf, wake_events=1, wake_bytes=1) == step(NOTHING)


def test_an_event_waits_for_company() -> None:
    """Until its time is over, or what is missing for a full batch has come."""
    assert Sleep(100.5, wake_events=499, wake_bytes=179_613) == step()


@pytest.mark.parametrize(
    ("backlog", "changes"),
    [
        pytest.param(ONE, {"now": 100.5}, id="time-is-over"),
        pytest.param(ONE, {"now": 900.0}, id="time-is-long-over"),
        pytest.param(replace(ONE, fullest_events=500), {}, id="full-of-events"),
        pytest.param(replace(ONE, fullest_events=900), {}, id="more-than-full"),
        pytest.param(replace(ONE, fullest_bytes=180_000), {}, id="full-of-bytes"),
        pytest.param(ONE, {"urgent_sequence": 7}, id="flushed"),
        pytest.param(ONE, {"urgent_sequence": math.inf}, id="closing"),
        pytest.param(ONE, {"linger": 0.0}, id="no-waiting"),
        pytest.param(ONE, {"now": 100.5, "busy": 3}, id="one-sender-left"),
    ],
)
def test_a_batch_is_sent(backlog: Backlog, changes: dict[str, Any]) -> None:
    """When it is full, old or asked for, and a sender is free."""
    assert Send(is_probe=False) == step(backlog, **changes)


def test_what_came_after_a_flush_waits_again() -> None:
    """A flush hurries what was there when it was called."""
    assert isinstance(step(urgent_sequence=6), Sleep)


@pytest.mark.parametrize(
    "changes",
    [
        {"busy": 4, "now": 900.0},
        {"busy": 1, "senders": 1, "now": 900.0},
        {"busy": 3, "senders": 1, "now": 900.0},
        {"busy": 4, "now": 900.0, "circuit": OPEN},
    ],
)
def test_with_all_senders_busy_it_sleeps_until_one_ends(changes: dict[str, Any]) -> None:
    """New events do not wake it: there is nothing it could do."""
    assert Sleep(math.inf) == step(**changes)


def test_while_the_circuit_is_open_it_sleeps_until_the_probe() -> None:
    """New events do not wake it, however many."""
    assert Sleep(100.5) == step(replace(ONE, fullest_events=9_000), circuit=OPEN)


def test_a_probe_does_not_wait_for_company() -> None:
    """When the backoff is over the oldest batch is sent as it is, marked as the probe."""
    backlog = replace(ONE, oldest_at=100.5)

    assert Send(is_probe=True) == step(backlog, circuit=OPEN, now=100.5)


def test_while_probing_it_sleeps_until_the_probe_ends() -> None:
    """Only the probe's own end changes anything."""
    assert Sleep(math.inf) == step(circuit=probed(OPEN), busy=1, now=900.0)


def test_without_a_batch_there_is_no_probe() -> None:
    """An open circuit with nothing to send waits for the next event."""
    assert Sleep(math.inf, wake_events=1, wake_bytes=1) == step(NOTHING, circuit=OPEN, now=900.0)


@given(
    st.integers(1, 600),
    st.integers(87, 200_000),
    st.floats(0, 2),
    st.integers(0, 5),
    st.integers(1, 4),
    st.sampled_from([Circuit(), OPEN, probed(OPEN)]),
)
def test_a_sleep_always_ends(  # noqa: PLR0917 - what Hypothesis varies
    events: int, size: int, age: float, busy: int, senders: int, circuit: Circuit
) -> None:
    """With something to send, a sleep has an end, a sender to wait for, or events that wake it."""
    backlog = replace(ONE, events=events, fullest_events=events, fullest_bytes=size)

    decision = step(backlog, now=100.0 + age, busy=busy, senders=senders, circuit=circuit)

    if isinstance(decision, Sleep):
        waits_for_sender = busy >= senders or circuit.state == "probing"
        assert waits_for_sender or CALM.now - 0.1 < decision.until < math.inf
        assert all(wake is None or wake > 0 for wake in (decision.wake_events, decision.wake_bytes))
