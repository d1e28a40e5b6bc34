"""Closing and flushing against a collector that answers never, or not in this life."""

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from aiotracker import DeliveryReport
from tests.faults.conftest import FaultReport
from tests.faults.rig import Rigs
from tests.faults.script import Fault, answer, drip, half_close, hang, read_nothing
from tests.faults.sizes import quick_and_full

SILENCES = {
    "never answers": hang(),
    "answers one byte per second": drip(1.0),
    "closes its half of the connection": half_close(),
    "does not read": read_nothing(),
}


@dataclass(frozen=True)
class Budget:
    """What closing and flushing may take.

    Attributes:
        close: seconds that are given to closing.
        flush: seconds that are given to flushing.
        grace: seconds that may pass beyond either.
    """

    close: float
    flush: float
    grace: float


@pytest.mark.parametrize("what", SILENCES)
@quick_and_full("budget", Budget(0.1, 0.05, grace=5.0), Budget(5.0, 1.0, grace=0.3))
async def test_closing_keeps_its_deadline(
    rigs: Rigs, what: str, budget: Budget, fault_report: FaultReport
) -> None:
    """`flush(1)` and `aclose(5)` return in time, with a report that accounts for every event."""
    fault: Fault = SILENCES[what]
    rig = await rigs(fault)
    await rig.track(200)

    flushed_in, flushed = await timed(rig.tracker.flush, budget.flush)
    rig.check()
    closed_in, closed = await timed(rig.tracker.aclose, budget.close)

    assert flushed_in < budget.flush + budget.grace
    assert 200 == flushed.remaining
    assert closed_in < budget.close + budget.grace
    is_kept = rig.place is not None
    assert ({} if is_kept else {"shutdown_deadline": 200}) == closed.dropped
    assert (200 if is_kept else 0) == closed.remaining
    left = "keeps what is left in the store" if is_kept else "reports what is left as `shutdown_deadline`"
    fault_report(
        f"the collector {what}",
        reaction=f"gives up at the deadline, {left}",
        bound="`flush(1)` and `aclose(5)` return within 0.3 s of their deadlines",
        figure=f"{flushed_in:.2f} s and {closed_in:.2f} s",
    )


async def test_closing_does_not_sit_out_a_backoff(
    rigs: Rigs, monkeypatch: pytest.MonkeyPatch, fault_report: FaultReport
) -> None:
    """A collector that has recovered gets the rest at once, though the next probe is not due yet."""
    monkeypatch.setattr(random, "random", lambda: 1.0)  # the first backoff takes 0.5 s
    rig = await rigs(answer(503).times(1))
    await rig.track(200)
    await rig.until(lambda: rig.emitter.stats().retries != {})

    closed_in, report = await timed(rig.tracker.aclose, 0.4)

    assert report.is_complete
    assert 200 == rig.kept
    fault_report(
        "the tracker is closed during a backoff, when the collector has recovered",
        reaction="probes at once",
        bound="200 of 200 delivered, without waiting for the backoff",
        figure=f"{rig.kept} in {closed_in:.2f} s",
    )


async def timed(
    call: Callable[[float], Awaitable[DeliveryReport]], timeout: float
) -> tuple[float, DeliveryReport]:
    """Return the seconds that a call took, and its report."""
    began_at = time.monotonic()
    report = await call(timeout)
    return time.monotonic() - began_at, report
