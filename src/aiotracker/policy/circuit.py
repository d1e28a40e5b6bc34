"""Whether a destination may be sent to: one circuit per destination, not per batch. Pure.

    CLOSED ──failure──▶ OPEN until t ──t──▶ PROBING ──success──▶ CLOSED
                          ▲                    │
                          └──────failure───────┘

Rules:
- While it is open nothing is sent; then one probe, with the oldest batch.
- The n-th opening in a row lasts U(0, min(60, 0.5·2ⁿ)) seconds, at least 0.1 (full jitter).
- `Retry-After` is a minimum and never skipped.
- A failure of a request that began before the circuit opened does not lengthen the wait: it is the same
  outage. A late success closes the circuit, unless the server asked to be left alone or refused us.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

__all__ = [
    "Circuit",
    "CircuitState",
    "after_failure",
    "after_success",
    "next_chance",
    "probed",
    "without_backoff",
]

BASE_DELAY: Final = 0.5  # seconds
MIN_DELAY: Final = 0.1  # seconds; a jitter of nearly nothing would hammer
MAX_DELAY: Final = 60.0  # seconds
REFUSAL_DELAY: Final = 5.0  # seconds; after 401, 403 and 410 every probe costs a batch
MAX_EXPONENT: Final = 16  # beyond the cap already; keeps 2ⁿ small


class CircuitState(StrEnum):
    """Where a circuit is."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


@dataclass(frozen=True, slots=True)
class Circuit:
    """The state of a destination.

    Attributes:
        state: where the circuit is.
        failures: how many openings in a row.
        opened_at: clock seconds of the last opening.
        retry_at: clock seconds of the next probe.
        held_until: clock seconds until which the server wants to be left alone.
        is_refused: whether 401, 403 or 410 opened it.
    """

    state: CircuitState = CircuitState.CLOSED
    failures: int = 0
    opened_at: float = -math.inf
    retry_at: float = -math.inf
    held_until: float = -math.inf
    is_refused: bool = False

    @property
    def is_open(self) -> bool:
        """Whether sending is suspended, the one probe apart."""
        return self.state is not CircuitState.CLOSED


def next_chance(circuit: Circuit, now: float) -> float | None:
    """Return when the next request may begin: None for at once, clock seconds, `inf` while probing."""
    match circuit.state:
        case CircuitState.CLOSED:
            return None
        case CircuitState.OPEN:
            return circuit.retry_at if now < circuit.retry_at else None
        case CircuitState.PROBING:
            return math.inf


def probed(circuit: Circuit) -> Circuit:
    """Return the circuit when its probe begins."""
    return replace(circuit, state=CircuitState.PROBING)


def after_failure(
    circuit: Circuit,
    *,
    now: float,
    began_at: float,
    random: float,
    retry_after: float | None = None,
    is_refusal: bool = False,
    max_delay: float = MAX_DELAY,
) -> Circuit:
    """Return the circuit after a request that failed.

    Args:
        circuit: before.
        now: clock seconds.
        began_at: clock seconds when the request began.
        random: uniform in 0..1.
        retry_after: seconds that the server wants to be left alone.
        is_refusal: whether the server refused the sender (401, 403, 410).
        max_delay: cap of the backoff in seconds.
    """
    held_until = circuit.held_until if retry_after is None else max(circuit.held_until, now + retry_after)
    if _is_older(circuit, began_at):
        # An older request of an outage that is already counted: only the server's wish is news.
        retry_at = max(circuit.retry_at, held_until)
        is_refused = circuit.is_refused or is_refusal
        if circuit.is_open:
            return replace(circuit, held_until=held_until, retry_at=retry_at, is_refused=is_refused)
        if now >= held_until:
            return circuit
    delay = max(MIN_DELAY, random * min(max_delay, BASE_DELAY * 2 ** min(circuit.failures, MAX_EXPONENT)))
    if is_refusal:
        delay = max(delay, REFUSAL_DELAY)
    return Circuit(
        CircuitState.OPEN,
        circuit.failures + 1,
        opened_at=now,
        retry_at=max(now + delay, held_until),
        held_until=held_until,
        is_refused=is_refusal,
    )


def after_success(circuit: Circuit, *, now: float, began_at: float) -> Circuit:
    """Return the circuit after a request that arrived.

    Args:
        circuit: before.
        now: clock seconds.
        began_at: clock seconds when the request began.
    """
    is_late = circuit.is_open and _is_older(circuit, began_at)
    if is_late and (circuit.is_refused or now < circuit.held_until):
        return circuit
    return Circuit(opened_at=circuit.opened_at)


def without_backoff(circuit: Circuit, now: float) -> Circuit:
    """Return the circuit with its wait cut short, as far as the server's own wish allows."""
    if circuit.state is not CircuitState.OPEN:
        return circuit
    return replace(circuit, retry_at=min(circuit.retry_at, max(now, circuit.held_until)))


def _is_older(circuit: Circuit, began_at: float) -> bool:
    """Tell whether a request began before the circuit opened.

    Nothing but the probe begins while the circuit is open, even where both fall into one tick of the clock.
    """
    if circuit.state is CircuitState.PROBING:
        return began_at < circuit.opened_at
    return began_at <= circuit.opened_at
